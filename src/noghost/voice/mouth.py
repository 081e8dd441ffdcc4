"""A mouth, whatever engine makes the sound: in a child of the program that has the engine (noghost_piper,
noghost_kokoro, noghost_espeak)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from noghost.speech.ends import VoiceEnd
from noghost.speech.frames import SECONDS, Kind, Manner
from noghost.speech.hearing import pieces
from noghost.speech.sound import Encoder, Samples

Synthesise = Callable[[str, Manner], Iterator[Samples]]  # of a sentence; samples of one channel, -1 to 1


def speak(end: VoiceEnd, synthesise: Synthesise, rate: int) -> None:
    """Say each sentence as it comes, until the end."""
    first = end.take()
    assert first is not None
    manner = Manner.unpack(first[1])
    encoder = Encoder(manner.format, rate)
    all_s = 0.0
    while (found := end.take()) is not None and found[0] is Kind.SAY:
        said_s = 0.0
        for samples in synthesise(found[1].decode(errors="replace"), manner):
            give(end, encoder.add(samples))
            said_s += len(samples) / rate
        end.give(Kind.SAID, SECONDS.pack(said_s))
        all_s += said_s
    give(end, encoder.end())
    end.give(Kind.DONE, SECONDS.pack(all_s))


def give(end: VoiceEnd, data: bytes) -> None:
    """In frames."""
    for piece in pieces(memoryview(data)):
        end.give(Kind.SPOKEN, piece)
