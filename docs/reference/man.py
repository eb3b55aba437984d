"""Makes doxygen's man pages those of a library: man.py HEADER DIRECTORY.

There is one page for each section of the header, as for pthread_mutex_lock(3) and its siblings. Each function is to be found by its own
name, the header is to be included, and the header's head is quiescent(7).
"""

import os
import re
import sys

import header as headers

header = headers.read(sys.argv[1])
directory = sys.argv[2]


def path(name: str) -> str:
    return os.path.join(directory, "man3", f"{name}.3")


def link(name: str, to: str) -> None:
    if not os.path.exists(path(name)):
        with open(path(name), "w", encoding="utf-8") as file:
            file.write(f".so man3/{to}.3\n")


for title, _code, names in header.sections:
    with open(path(names[0]), encoding="utf-8") as file:
        page = file.read()
    first, synopsis = f"{names[0]} \\- {title}", re.compile(r"\.SH SYNOPSIS\n(\.br\n)?(\.PP\n)?")
    assert first in page and synopsis.search(page), f"doxygen's page of {names[0]} has another shape than expected"
    page = page.replace(first, f"{', '.join(names)} \\- {title}", 1)
    page = synopsis.sub(lambda found: found[0] + "\\fC#include <quiescent\\&.h>\\fP\n.PP\n", page, count=1)
    page = re.sub(r'\.SH "Detailed Description"\n\.PP ?\n(?=\.SH)', "", page)
    page = re.sub(r'\.SH "Author"\n.*', '.SH "SEE ALSO"\n\\\\fBquiescent\\\\fP(7), \\\\fBquiescent.h\\\\fP(3)\n', page, flags=re.DOTALL)
    with open(path(names[0]), "w", encoding="utf-8") as file:
        file.write(page)
    for name in names[1:]:
        link(name, names[0])
for name in re.findall(r"^typedef (?:enum|struct) (qz_\w+)", header.types, re.MULTILINE):
    link(name, "quiescent.h")


def overview(head: str) -> str:
    """The head as a page: titles stand at the left, "In short" is a program, and below the others are names with what is said of them."""
    page = ['.TH "quiescent" 7', ".SH NAME", "quiescent \\- C handles that are safe to free from any thread, at any moment"]
    title = ""
    for line in head.splitlines():
        text = line[3:].replace("\\", "\\e")
        if headers.is_title(text):
            page += [".fi"] if title == "In short" else []
            title = text
            page += [f'.SH "{title.upper()}"']
            page += [".nf"] if title == "In short" else []
        elif title == "In short":
            page.append("\\&" + text[2:])
        elif entry := headers.ENTRY.match(text):
            page += [".TP 12", f".B {entry[1]}", entry[2]]
        elif title and text:
            page.append(text.strip())
    page += ['.SH "SEE ALSO"']
    for section in header.sections:
        page += [".TP", f"\\fB{section.functions[0]}\\fP(3)", section.title]
    return "\n".join([*page, ".TP", "\\fBquiescent.h\\fP(3)", "Types, numbers and macros", ""])


os.makedirs(os.path.join(directory, "man7"), exist_ok=True)
with open(os.path.join(directory, "man7", "quiescent.7"), "w", encoding="utf-8") as file:
    file.write(overview(header.head))
