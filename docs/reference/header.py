"""Prints include/quiescent.h as doxygen is to read it.

Its head becomes the main page, each of its sections a group that is called after the section's first function and has its types and
macros as well, and names in comments become links. The code is not changed.
"""

import re
import sys
from typing import List, NamedTuple, Optional, Set

SECTION = re.compile(r"/\* ---- (.*?): (.*?)\.? -*\*/\n")
FUNCTION = re.compile(r"^[a-z].*?\b(qz_[a-z_]+)\(", re.MULTILINE)
DECLARED = re.compile(r"(?:typedef (?:enum|struct)|#define) (\w+)")
ENTRY = re.compile(r"  (\w+) +(.*)")
END = "#ifdef __cplusplus\n}"


class Section(NamedTuple):
    title: str
    brief: str
    code: str
    functions: List[str]


class Header(NamedTuple):
    head: str
    types: str
    sections: List[Section]
    end: str


def read(path: str) -> Header:
    with open(path, encoding="utf-8") as file:
        head, rest = file.read().split(" */\n", 1)
    rest, end = rest.split(END)
    types, *parts = SECTION.split(rest)
    sections = [Section(title, brief, code, FUNCTION.findall(code)) for title, brief, code in zip(*(parts[at::3] for at in range(3)))]
    is_complete = len(sections) == rest.count("/* ---- ") > 15 and all(section.functions for section in sections)
    assert is_complete, "the header has another shape than expected"
    return Header(head, types, sections, END + end)


def is_title(line: str) -> bool:
    """In the header's head."""
    return re.fullmatch(r"[A-Z][A-Za-z ]+", line) is not None


def is_named(name: str, text: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def declared(header: Header) -> List[str]:
    """The types and macros, each once."""
    return list(dict.fromkeys(it for it in DECLARED.findall(header.types) if it.lower().startswith("qz_")))


def home(name: str, header: Header) -> Optional[Section]:
    """Where a type or macro belongs: with the functions that are called after it, or else where it is named first, or else where what
    has it as a member does. What the header's conventions name belongs to all of them."""
    if name.startswith("QZ_") and is_named(name, header.head):
        return None
    first = [section for section in header.sections if any(it.startswith(f"{name}_") for it in section.functions)]
    first += [section for section in header.sections if is_named(name, section.code)]
    if first:
        return first[0]
    users = [it for it in declared(header) if it != name and (name.startswith(f"{it}_") or is_named(name, declaration(it, header)))]
    return home(users[0], header) if users else None


def declaration(name: str, header: Header) -> str:
    """A macro's is a line, a structure's goes on to its end."""
    found = re.search(rf"^(?:#define {name}\b.*|typedef \w+ {name}(?: {{(?s:.*?)^}})?)", header.types, re.MULTILINE)
    assert found, f"{name} is declared in a way that was not expected"
    return found[0]


def with_homes(types: str, header: Header) -> str:
    """The types and macros, and in the comment of each its group."""
    lines = []
    for line in types.splitlines(keepends=True):
        it = DECLARED.match(line)
        section = home(it[1], header) if it and it[1] in declared(header) else None
        lines += [f"///\n/// @ingroup {section.functions[0]}\n"] if section else []
        lines.append(line)
    return "".join(lines)


def linked(text: str, functions: Set[str]) -> str:
    """Doxygen links what is marked: a function by its parentheses, an enumerator or macro by a `#`. It marks nothing within quotes."""
    text = re.sub(r"(?<![\w#\"])(QZ_[A-Z_]+)\b(?!\()", r"#\1", text)
    return re.sub(r"(?<![\w`])(qz_[a-z_]+)(?=[\s.,;:)])", lambda it: f"{it[1]}()" if it[1] in functions else it[1], text)


def comments_linked(code: str, functions: Set[str]) -> str:
    """In `///` comments, but not in the code within them."""
    lines, is_code = [], False
    for line in code.splitlines(keepends=True):
        is_comment = line.lstrip().startswith("///")
        is_code ^= is_comment and "```" in line
        lines.append(linked(line, functions) if is_comment and not is_code else line)
    return "".join(lines)


def main_page(head: str, functions: Set[str]) -> str:
    """Titles stand at the left, "In short" is a program, and below the others are names with what is said of them."""
    page, title = ["@mainpage Quiescent"], ""
    for line in head.splitlines()[1:]:
        text = line[3:]
        if is_title(text):
            page += ["@endcode"] if title == "In short" else []
            title = text
            page += [f"@section {title.lower().replace(' ', '_')} {title}"]
            page += ["@code{.c}"] if title == "In short" else []
        elif title == "In short":
            page.append(text[2:])
        elif entry := ENTRY.match(text):
            page.append(f"- **{entry[1]}**: {linked(entry[2], functions)}")
        elif title:
            page.append(f"  {linked(text.strip(), functions)}")
        elif "Generated" not in text:
            page.append(text)
    return "\n".join(page)


def main() -> None:
    header = read(sys.argv[1])
    functions = {name for section in header.sections for name in section.functions}
    print("/// @file quiescent.h\n/// Types, numbers and macros.")
    print(f"/**\n{main_page(header.head, functions)}\n*/")
    print(with_homes(comments_linked(header.types, functions), header))
    for title, brief, code, names in header.sections:
        print(f"/** @defgroup {names[0]} {title}\n{brief[0].upper()}{brief[1:]}.\n@{{ */\n{comments_linked(code, functions)}/** @}} */")
    print(header.end)


if __name__ == "__main__":
    main()
