"""A length of time in words: in full for a sentence, short for a line of figures. On the caller's side."""

from __future__ import annotations

from itertools import dropwhile, takewhile
from typing import NamedTuple


class Part(NamedTuple):
    """So many of a unit."""

    number: int
    short: str
    name: str


UNITS = ((86_400, "d", "day"), (3600, "h", "hour"), (60, "min", "minute"), (1, "s", "second"))


def parts_of(seconds: float) -> list[Part]:
    """Of each unit how many, the largest first; what is below a second is left out."""
    left, parts = max(0, int(seconds)), list[Part]()
    for size_s, short, name in UNITS:
        number, left = divmod(left, size_s)
        parts.append(Part(number, short, name))
    return parts


def spoken(seconds: float) -> str:
    """By its two largest units: "3 days and 4 hours"; by one where the next is zero."""
    there = dropwhile(lambda part: not part.number, parts_of(seconds))
    largest = [*takewhile(lambda part: part.number, there)][:2]
    words = [f"{part.number} {part.name}{'s' * (part.number > 1)}" for part in largest]
    return " and ".join(words) or "less than a second"


def duration(seconds: float) -> str:
    """1 d 2 h 3 min 4 s, without what is zero; below a minute to the millisecond."""
    if seconds < 60:
        return f"{round(seconds, 3):g} s"
    return " ".join(f"{part.number} {part.short}" for part in parts_of(seconds) if part.number)
