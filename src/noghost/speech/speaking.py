"""Speak: text in, sound out, sentence by sentence. In an instance; a mouth, a program of its own, makes the sound."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from noghost.speech.ends import Brought, InstanceEnd, end_of
from noghost.speech.frames import MOST_FRAME_BYTES, SECONDS, Format, Kind, Manner


class Mouth:
    """What one process says, from its first sentence to its end."""

    def __init__(self, end: InstanceEnd) -> None:
        self._end = end
        self.said_s: list[float] = []  # how long each sentence is that is whole

    async def say(self, sentence: str) -> None:
        """One more sentence; it is spoken as soon as those before it are."""
        data = sentence.encode()
        for at in range(0, len(data), MOST_FRAME_BYTES):
            await self._end.give(Kind.SAY, data[at : at + MOST_FRAME_BYTES])

    async def end(self) -> None:
        """There is no more to say; `sound` ends with what there was."""
        await self._end.give(Kind.END)

    async def sound(self) -> AsyncIterator[bytes]:
        """The sound, in the format that was asked for, as it is made; PCM has the rate of RATE_HZ."""
        while True:
            kind, data = await self._end.take()
            if kind is Kind.SPOKEN:
                yield data
            elif kind is Kind.SAID:
                self.said_s.append(SECONDS.unpack(data)[0])
            elif kind is Kind.DONE:
                return


@asynccontextmanager
async def speaking(
    brought: Brought, hush: Callable[[], None], *, wanted: Format = Format.PCM, speed: float = 1.0, speaker: int = 0
) -> AsyncIterator[Mouth]:
    """A mouth that was brought to this instance; it is ended when this is left, in the middle of a word too."""
    with end_of(brought, hush) as end:
        await end.give(Kind.MANNER, Manner(wanted, speed, speaker).pack())
        yield Mouth(end)
