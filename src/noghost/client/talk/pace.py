"""Which words of an answer were spoken so far. Pure.

Nothing that comes over /v1/realtime says when a word is spoken: while the answer is made, a usual pace is taken for its
own; once all of its sound is here, the words are spread over it.
"""

from __future__ import annotations

CHARACTERS_PER_S = 15.0  # as src/noghost/api/realtime/spoken.py has it


class Pace:
    """Of one answer. `speed` is what the service was asked for."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._shown = 0

    def spoken(self, text: str, played_s: float, whole_s: float | None) -> str:
        """Whole words of `text`; never fewer than before. `whole_s`: how long all of it is, once that is known."""
        if whole_s is not None:
            share = min(1.0, played_s / whole_s) if whole_s else 1.0
            count = round(len(text) * share)
        else:
            count = int(played_s * CHARACTERS_PER_S * self._speed)
        self._shown = max(self._shown, word_end(text, count) if count else 0)
        return text[: self._shown].rstrip()


def word_end(text: str, at: int) -> int:
    """Where the word ends in which `at` is."""
    end = text.find(" ", at)
    return len(text) if end < 0 else end
