"""Where what is heard can be divided: at pauses between words. In a single-use child of the ear."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from noghost.speech.frames import SOUND_RATE
from noghost.speech.sound import Samples

PIECE = 512  # samples: what Silero's detector takes at once
PIECE_S = PIECE / SOUND_RATE
THRESHOLD = 0.5  # of the probability that somebody speaks, where nobody says another
LEEWAY = 0.15  # below the threshold it still goes on: Silero's own
SURE = 2  # pieces with speech in a row: one alone may be a click
BEFORE_S = 0.5  # of what came before speech is heard with it: a soft begin of a word
MOST_S = 30.0  # of one segment: as long as those that Moonshine was trained with
PAUSE_S = 1.5  # so long a silence ends a short one; the longer it is, the shorter a silence does
LEAST_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Segment:
    """Something that was said without a long pause. Samples of 16 kHz; times in seconds since the sound's begin."""

    samples: Samples
    start_s: float

    @property
    def length_s(self) -> float:
        """How long it is."""
        return len(self.samples) / SOUND_RATE


class Segments:
    """Takes pieces with the probability that somebody speaks in each, gives segments."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._before: deque[Samples] = deque(maxlen=round(BEFORE_S / PIECE_S) + SURE)
        self._open: list[Samples] = []
        self._at = 0  # pieces so far
        self._sure = 0  # pieces with speech in a row, while nobody spoke
        self.voiced = 0  # pieces up to the last one with speech in it
        self.speaks = False

    def add(self, piece: Samples, likely: float) -> Segment | None:
        """The segment that ends with this piece, if one does."""
        self._at += 1
        if not self.speaks:
            self._wait(piece, likely)
            return None
        self._open.append(piece)
        if likely >= self._threshold - LEEWAY:
            self.voiced = self._at
        if self.silent_s >= self._pause_s or self.open_s >= MOST_S:
            return self.end()
        return None

    def end(self) -> Segment | None:
        """What is open, where there is something; it is no more."""
        segment = self.now()
        self._open, self._sure, self.speaks = [], 0, False
        return segment

    def now(self) -> Segment | None:
        """What is open so far."""
        if not self.speaks:
            return None
        return Segment(np.concatenate(self._open), (self._at - len(self._open)) * PIECE_S)

    @property
    def open_s(self) -> float:
        """How long what is open is."""
        return len(self._open) * PIECE_S

    @property
    def silent_s(self) -> float:
        """Since the last speech."""
        return (self._at - self.voiced) * PIECE_S

    @property
    def _pause_s(self) -> float:
        return max(LEAST_PAUSE_S, PAUSE_S * (1 - self.open_s / MOST_S))

    def _wait(self, piece: Samples, likely: float) -> None:
        self._before.append(piece)
        self._sure = self._sure + 1 if likely >= self._threshold else 0
        if self._sure >= SURE:
            self.speaks, self.voiced = True, self._at
            self._open, self._before = list(self._before), deque(maxlen=self._before.maxlen)
