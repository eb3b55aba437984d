"""Makes doxygen's man pages those of a library: man.py HEADER DIRECTORY.

There is one page for each section of the header, as for pthread_mutex_lock(3) and its siblings. Each function is to be found by its own
name, and each type; the header is to be included, and the header's head is quiescent(7).
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


def shaped(page: str) -> str:
    """Headings in capitals, fields and strings as C writes them, and at the end where to read on in place of who made the page."""
    page = re.sub(r'\.SH "(Detailed )?Description"', ".SH DESCRIPTION", page)
    page = re.sub(r'\.SH "(\w+)( Type)? Documentation"', lambda found: f".SH {found[1].upper()}S", page)
    page = re.sub(r"\bqz_\w+::", "", page)
    page = re.sub(r'(?<=^\.RI "#define )(.*)"$', lambda found: found[1].replace("'", "\\(dq") + '"', page, flags=re.MULTILINE)
    return re.sub(r'\.SH "Author"\n.*', '.SH "SEE ALSO"\n\\\\fBquiescent\\\\fP(7), \\\\fBquiescent.h\\\\fP(3)\n', page, flags=re.DOTALL)


for name in os.listdir(os.path.join(directory, "man3")):
    with open(os.path.join(directory, "man3", name), "r+", encoding="utf-8") as file:
        page = shaped(file.read())
        file.seek(0)
        file.write(page)
        file.truncate()
for title, brief, _code, names in header.sections:
    with open(path(names[0]), encoding="utf-8") as file:
        page = file.read()
    first, description = f"{names[0]} \\- {title}\n", re.compile(r"\.SH DESCRIPTION\n(?s:.*?)(?=\.SS)")
    assert first in page and description.search(page), f"doxygen's page of {names[0]} has another shape than expected"
    page = page.replace(first, f"{', '.join(names)} \\- {title}: {brief}\n", 1)
    page = description.sub(lambda _: ".SH SYNOPSIS\n\\fC#include <quiescent\\&.h>\\fP\n.PP\n", page, count=1)
    with open(path(names[0]), "w", encoding="utf-8") as file:
        file.write(page)
    for name in names[1:]:
        link(name, names[0])
for name in headers.declared(header):
    if name.startswith("qz_"):
        section = headers.home(name, header)
        link(name, section.functions[0] if section else "quiescent.h")


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
        page += [".TP", f"\\fB{section.functions[0]}\\fP(3)", f"{section.title}: {section.brief}"]
    return "\n".join([*page, ".TP", "\\fBquiescent.h\\fP(3)", "Types, numbers and macros", ""])


os.makedirs(os.path.join(directory, "man7"), exist_ok=True)
with open(os.path.join(directory, "man7", "quiescent.7"), "w", encoding="utf-8") as file:
    file.write(overview(header.head))
