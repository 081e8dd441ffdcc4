"""From the tokens' bytes to the text that the caller sees, piece by piece.

PURE, in an instance. A piece may end inside a UTF-8 character or inside a stop string; both wait for the
next piece, so that the text is the same however it was split.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class Utf8Stream:
    """Decodes UTF-8 in pieces; what cannot be UTF-8 becomes U+FFFD as soon as that is certain."""

    def __init__(self) -> None:
        """Start with nothing held back."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """Return the characters that are complete now."""
        return self._decoder.decode(data)

    def flush(self) -> str:
        """Return what is left at the end: U+FFFD for an incomplete character, or nothing."""
        return self._decoder.decode(b"", final=True)


class StopMatcher:
    """Cuts a text before the first stop string in it.

    First is the one that is complete first; of two that end at the same character, the longer. (The one that
    begins first could need text that is still to come.) Empty stop strings are ignored.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        """Watch for each of `stops`."""
        longest_first = sorted(set(filter(None, stops)), key=len, reverse=True)
        self._watches = [_Watch(stop) for stop in longest_first]
        self._held = ""
        self.matched: str | None = None

    def feed(self, text: str) -> str:
        """Return the text that surely stands before any stop string; after a match, nothing more."""
        if self.matched is not None:
            return ""
        for index, character in enumerate(text):
            complete = [watch.stop for watch in self._watches if watch.advance(character)]
            if complete:
                self.matched = complete[0]
                return self._keep(self._held + text[: index + 1], len(self.matched), drop=True)
        return self._keep(self._held + text, max((watch.matching for watch in self._watches), default=0))

    def flush(self) -> str:
        """Return what was held back and turned out not to be a stop string."""
        held, self._held = self._held, ""
        return held

    def _keep(self, text: str, count: int, *, drop: bool = False) -> str:
        """Hold back (or drop) the last `count` characters and return the rest."""
        cut = len(text) - count
        self._held = "" if drop else text[cut:]
        return text[:cut]


class _Watch:
    """How much of one stop string the text ends with. (Knuth, Morris, Pratt: Fast Pattern Matching in
    Strings, 1977; linear in the text however long the stop string is.)"""

    def __init__(self, stop: str) -> None:
        self.stop = stop
        self.matching = 0
        self._fallback = [0, 0]  # after i matching characters, the longest shorter match that they end with
        for character in stop[1:]:
            self._fallback.append(self._next(self._fallback[-1], character))

    def advance(self, character: str) -> bool:
        """Take one more character; tell whether the stop string is complete."""
        self.matching = self._next(self.matching, character)
        return self.matching == len(self.stop)

    def _next(self, matching: int, character: str) -> int:
        while matching and self.stop[matching] != character:
            matching = self._fallback[matching]
        return matching + (self.stop[matching] == character)


class AnswerText:
    """The two in a row: bytes of tokens in, text for the caller out."""

    def __init__(self, stops: Sequence[str]) -> None:
        """Watch for `stops`."""
        self._utf8 = Utf8Stream()
        self._stops = StopMatcher(stops)

    @property
    def stop(self) -> str | None:
        """The stop string that ended the text, or None."""
        return self._stops.matched

    def feed(self, data: bytes) -> str:
        """Return the text that can be shown now."""
        return self._stops.feed(self._utf8.feed(data))

    def flush(self) -> str:
        """Return the rest, at the end of the answer."""
        return self._stops.feed(self._utf8.flush()) + self._stops.flush()
