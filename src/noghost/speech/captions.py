"""What of a text that is still being spoken can be shown as certain: the words that two hypotheses agree on. PURE.

Source: "LocalAgreement-2", Liu, Spanakis and Niehues, Low-Latency Sequence-to-Sequence Speech Recognition (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

MARKS = ".,;:!?…\"'()-"  # at a word's ends: they come and go with the words beside it


@dataclass(frozen=True, slots=True)
class Caption:
    """`firm` is a prefix of every later one of the same turn; `open` is the rest of the newest hypothesis."""

    firm: str
    open: str


class Captions:
    """Takes one hypothesis of the whole text after the other."""

    def __init__(self) -> None:
        self._firm: list[str] = []
        self._last: list[str] = []
        self._told = Caption("", "")

    def add(self, hypothesis: str) -> Caption | None:
        """What there is to show by that; None where it is what was shown before.

        Words agree that differ in case and in marks at their ends only; the newest one's spelling is taken. The newest
        one's last word is never firm: it may be cut in its midst, and its mark is one of a text that ends there.
        """
        words = hypothesis.split()
        pairs = takewhile(agree, zip(words[:-1], self._last, strict=False))
        self._firm += words[len(self._firm) : len(list(pairs))]
        self._last = words
        caption = Caption(" ".join(self._firm), " ".join(words[len(self._firm) :]))
        if caption == self._told:
            return None
        self._told = caption
        return caption


def agree(pair: tuple[str, str]) -> bool:
    """Whether two words are the same one."""
    one, other = (word.strip(MARKS).casefold() for word in pair)
    return one == other
