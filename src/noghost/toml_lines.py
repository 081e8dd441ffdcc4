"""On which line of a TOML text each key stands: tomllib does not say.

A statement of TOML ends with a line, and each can be read by itself. So tomllib reads them one by one, and what is a
statement is its affair alone.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]  # ("limit", "queue"); of an array of tables the index too: ("template", 0, "name")


def lines_of(text: str) -> dict[Place, int]:
    """The line, counted from 1, of every key and table of a text that tomllib can read."""
    lines: dict[Place, int] = {}
    table: Place = ()
    seen: Counter[Place] = Counter()
    for line, statement in statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = max(places(parsed), key=len)
            if isinstance(table[-1], int):  # [[…]]: read by itself, each is the first
                table = (*table[:-1], seen[table])
                seen[(*table[:-1], 0)] += 1
            lines.setdefault(table, line)
        else:
            for place in places(parsed):
                lines.setdefault((*table, *place), line)
    return lines


def statements(text: str) -> Iterator[tuple[int, str]]:
    """(line on which it begins, statement), comments and empty lines left out."""
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += line + "\n"
        try:
            is_one = bool(tomllib.loads(statement))
        except tomllib.TOMLDecodeError:  # it goes on
            continue
        if is_one:
            yield first, statement
        statement, first = "", number + 1


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every key in a value, and every table in an array."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        if isinstance(name, str) or isinstance(inner, dict):
            yield (*at, name)
        yield from places(inner, (*at, name))
