"""Reads a text that comes in pieces as if it were there already. PURE, in an instance.

Each way of reading is a generator that yields while it needs more text. It decides by the text alone and never by
where a piece ended, so an answer reads the same however it was split.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from functools import cache
from typing import TypeVar

T = TypeVar("T")
Step = Generator[None, None, T]
Emit = Callable[[str], None]


class Reader:
    """The text that came and was not read yet, and what was read since the first place that is held."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._text = ""
        self._at = 0
        self._held: list[int] = []
        self._ended = False

    def add(self, text: str) -> None:
        """Append what came."""
        start = self._held[0] if self._held else self._at
        self._text = self._text[start:] + text
        self._at -= start
        self._held = [place - start for place in self._held]

    def end(self) -> None:
        """No more will come."""
        self._ended = True

    def hold(self) -> None:
        """Remember this place, to come `back` to."""
        self._held.append(self._at)

    def release(self) -> None:
        """Forget the place that was held last: what was read is certain."""
        self._held.pop()

    def back(self) -> None:
        """Go back to the place that was held last, and forget it."""
        self._at = self._held.pop()

    def peek(self) -> Step[str]:
        """Return the next character that is not whitespace, unread; "" at the end. Whitespace before it is read."""
        while True:
            while self._at < len(self._text) and self._text[self._at].isspace():
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            yield

    def take(self) -> Step[str]:
        """Read one character; "" at the end."""
        while self._at == len(self._text) and not self._ended:
            yield
        character = self._text[self._at : self._at + 1]
        self._at += len(character)
        return character

    def one_of(self, *options: str) -> Step[str]:
        """Read the longest of `options` that stands here; "" and nothing read if none does."""
        while True:
            rest = self._text[self._at : self._at + max(map(len, options), default=0)]
            longer = any(option.startswith(rest) and len(option) > len(rest) for option in options)
            if self._ended or not longer:
                found = max((option for option in options if rest.startswith(option)), key=len, default="")
                self._at += len(found)
                return found
            yield

    def in_order(self, *words: str) -> Step[bool]:
        """Read `words`, each perhaps after whitespace; tell whether all of them stood here."""
        for word in words:
            yield from self.peek()
            if not (yield from self.one_of(word)):
                return False
        return True

    def maybe(self, *words: str) -> Step[bool]:
        """As `in_order`, but nothing is read if not all of them stand here."""
        self.hold()
        found = yield from self.in_order(*words)
        if found:
            self.release()
        else:
            self.back()
        return found

    def closing(self, word: str) -> Step[bool]:
        """As `maybe`, and where the answer ends within `word`, what there is of it is read too."""
        found = yield from self.maybe(word)
        if self._ended and not found and word.startswith(self._text[self._at :].lstrip()):
            self._at = len(self._text)
        return found

    def until(self, markers: tuple[str, ...], emit: Emit, *, in_call: bool = False) -> Step[str]:
        """Read up to and with the first of `markers` and return it; "" at the end.

        The text before it goes to `emit` as soon as it cannot be the beginning of one. Where the answer ends within a
        marker, that is text; `in_call`: it is dropped.
        """
        pattern = _either(markers)
        while True:
            if match := pattern.search(self._text, self._at):
                emit(self._text[self._at : match.start()])
                self._at = match.end()
                return match.group()
            begun = 0 if self._ended and not in_call else _overlap(self._text[self._at :], markers)
            cut = len(self._text) - begun
            emit(self._text[self._at : cut])
            self._at = len(self._text) if self._ended else cut
            if self._ended:
                return ""
            yield

    def unread(self, text: str) -> None:
        """Take back what was read last."""
        self._at -= len(text)


@cache
def _either(markers: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, markers)) or r"(?!)")


def _overlap(text: str, markers: tuple[str, ...]) -> int:
    """How many characters at the end of `text` could be the beginning of a marker."""
    longest = min(len(text), max(map(len, markers), default=1) - 1)
    return next((size for size in range(longest, 0, -1) if _begins(text[-size:], markers)), 0)


def _begins(text: str, markers: tuple[str, ...]) -> bool:
    return any(marker.startswith(text) for marker in markers)
