"""A length of time in words: in full, and short."""

from __future__ import annotations

import pytest

from noghost.client.length import duration, spoken


@pytest.mark.parametrize(
    ("seconds", "words", "short"),
    [
        (0, "less than a second", "0 s"),
        (0.25, "less than a second", "0.25 s"),
        (1, "1 second", "1 s"),
        (59.9996, "59 seconds", "60 s"),
        (61, "1 minute and 1 second", "1 min 1 s"),
        (3600, "1 hour", "1 h"),
        (3601, "1 hour", "1 h 1 s"),
        (273_600, "3 days and 4 hours", "3 d 4 h"),
        (273_661, "3 days and 4 hours", "3 d 4 h 1 min 1 s"),
        (-5, "less than a second", "-5 s"),
    ],
)
def test_lengths_in_words(seconds: float, words: str, short: str) -> None:
    assert (spoken(seconds), duration(seconds)) == (words, short)
