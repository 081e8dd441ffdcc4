"""One turn of a conversation, as an ear hears it: begun by speech and ended by silence, or all that was given.

In a single-use child of the ear. Whether somebody speaks, Silero's detector says of every 32 ms; it is loaded in the
parent, where it computes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from noghost.speech.ends import VoiceEnd
from noghost.speech.frames import MOST_FRAME_BYTES, SECONDS, Attention, Format, Kind
from noghost.speech.sound import Samples, samples_of
from noghost.voice.heard import Hearing
from noghost.voice.segments import LEEWAY, PIECE_S, SURE


def frames(end: VoiceEnd, hearing: Hearing) -> Iterator[tuple[Kind, bytes]]:
    """What is given, as it comes; whenever all that was spoken so far is here, what is new of it is told."""
    while True:
        found = end.take(wait=False)
        if found is None:
            hearing.look()
            found = end.take()
        assert found is not None
        yield found


def hear_turn(end: VoiceEnd, attention: Attention, hearing: Hearing) -> None:
    """Until END. What was given after the turn was over goes back."""
    hearing.attend(attention)
    watch = Watch(end, attention, hearing) if attention.waits else None
    for kind, data in frames(end, hearing):
        if kind is not Kind.SOUND:
            break
        if watch is None:
            hearing.add(samples_of(data, attention), attention.rate)
        else:
            watch.add(data)
    if watch is not None:
        watch.give_back()
    hearing.stop()


class Watch:
    """Tells when speech begins and ends, and lets nothing else be heard."""

    def __init__(self, end: VoiceEnd, attention: Attention, hearing: Hearing) -> None:
        self._end, self._attention, self._hearing = end, attention, hearing
        sample_bytes = 2 if attention.format is Format.PCM else 1
        self._piece_bytes = sample_bytes * round(attention.rate * PIECE_S)
        self._before: deque[tuple[Samples, float]] = deque(maxlen=max(1, round(attention.before_s / PIECE_S)) + SURE)
        self._rest = bytearray()
        self._at_s = self._silent_s = 0.0
        self._spoken = 0  # pieces with speech in a row
        self._speaks = self._over = False

    def add(self, data: bytes) -> None:
        """Some more, in the form that it came in."""
        self._rest += data
        while len(self._rest) >= self._piece_bytes and not self._over:
            piece = bytes(self._rest[: self._piece_bytes])
            del self._rest[: self._piece_bytes]
            for found in self._hearing.pieces(samples_of(piece, self._attention), self._attention.rate):
                self._look_at(*found)

    def give_back(self) -> None:
        """What came after the turn; nothing where it was ended from outside."""
        if not self._over:
            self._hear_what_came_before()
        rest = bytes(self._rest) if self._over else b""
        for at in range(0, len(rest), MOST_FRAME_BYTES):
            self._end.give(Kind.REST, rest[at : at + MOST_FRAME_BYTES])
        self._end.give(Kind.REST)

    def _look_at(self, piece: Samples, likely: float) -> None:
        self._at_s += PIECE_S
        if self._speaks:
            self._hearing.hear(piece, likely)
            self._silent_s = 0.0 if likely >= self._attention.threshold - LEEWAY else self._silent_s + PIECE_S
            if self._silent_s >= self._attention.silence_s:
                self._over = True
                self._end.give(Kind.STOPPED, SECONDS.pack(self._at_s))
            return
        self._before.append((piece, likely))
        self._spoken = self._spoken + 1 if likely >= self._attention.threshold else 0
        if self._spoken >= SURE:
            self._speaks = True
            self._end.give(Kind.STARTED, SECONDS.pack(max(0.0, self._at_s - len(self._before) * PIECE_S)))
            self._hear_what_came_before()

    def _hear_what_came_before(self) -> None:
        for found in self._before:
            self._hearing.hear(*found)
        self._before.clear()
