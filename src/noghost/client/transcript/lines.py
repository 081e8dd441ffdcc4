"""The lines that mean something in a transcript, and how a text that has such lines is written.

A text's line that would be taken for a role's or for facts gets one backslash before it, one that has backslashes there
already gets one more, and reading takes exactly one away. `---` needs none: it ends a turn only where a role's line or
the end of the file follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

ROLES = ("user", "assistant", "system", "tool")
SPACE = r"[ \t\r]*"
BLANK = re.compile(SPACE)
SEPARATOR = re.compile(rf"---{SPACE}")
_ROLE = rf"\*\*({'|'.join(ROLES).upper()}):\*\*{SPACE}"
ROLE = re.compile(_ROLE)
FACTS = re.compile(rf"<!-- noghost:(.*)-->{SPACE}")
_SPECIAL = rf"(?={_ROLE}$|<!-- noghost:)"
_TO_ESCAPE = re.compile(rf"^(?=\\*{_SPECIAL})", re.MULTILINE)
_ESCAPED = re.compile(rf"^\\(?=\\*{_SPECIAL})", re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def escape(text: str) -> str:
    """The text as it stands in a file, where none of its lines can be taken for one of the format's."""
    return _TO_ESCAPE.sub(r"\\", text)


def unescape(text: str) -> str:
    """The inverse of `escape`."""
    return _ESCAPED.sub("", text)


def newline_of(text: str) -> str:
    """What ends the lines of a file: what ends its first."""
    return "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"


def split(text: str) -> list[str]:
    """Its lines with their ends. Only a line feed ends a line: joined, they are the text."""
    return _LINE.findall(text)


def bare(lines: Sequence[str], newline: str) -> list[str]:
    """The lines without their ends."""
    return [line.removesuffix("\n").removesuffix(newline[:-1]) for line in lines]


def is_blank(line: str) -> bool:
    """Nothing, or spaces."""
    return BLANK.fullmatch(line) is not None


def next_line(lines: Sequence[str], index: int) -> int:
    """The first line from `index` on that is not blank, or the number of lines."""
    while index < len(lines) and is_blank(lines[index]):
        index += 1
    return index


def cuts(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Each `---` that ends the head or a turn, and where what follows begins: a role's line, or the end of the file."""
    ends = ((index, next_line(lines, index + 1)) for index, line in enumerate(lines) if SEPARATOR.fullmatch(line))
    return [(index, after) for index, after in ends if after == len(lines) or ROLE.fullmatch(lines[after])]
