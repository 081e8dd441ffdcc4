"""Be heard: sound in, text out. In an instance; the hearing itself is done by an ear (voice/ear.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from noghost.speech.ends import Brought, InstanceEnd, end_of
from noghost.speech.frames import LINE, MOST_FRAME_BYTES, SECONDS, Form, Kind


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of what was heard, between two pauses. Times in seconds since the sound's beginning."""

    text: str
    start_s: float
    length_s: float


class Ear:
    """What one process hears, from its first sound to its end."""

    def __init__(self, end: InstanceEnd) -> None:
        self._end = end
        self._lines: list[Line] = []
        self._done = False
        self.sound_s = 0.0  # how long it was, once it has ended

    async def take_form(self, form: Form) -> None:
        """What the sound is like that is fed from here on."""
        await self._end.give(Kind.FORM, form.pack())

    async def feed(self, pcm: bytes) -> None:
        """Sound as it is spoken, any number of bytes: in SPOKEN_FORM, or as `take_form` was told."""
        await self._give(Kind.SOUND, pcm)

    async def feed_file(self, data: bytes | memoryview) -> None:
        """A whole file, in any format that libsndfile reads. Then `end`."""
        await self._give(Kind.FILE, data)

    async def end(self) -> None:
        """There is no more; `lines` and `finish` end with what was heard."""
        await self._end.give(Kind.END)

    def heard(self) -> list[Line]:
        """All lines so far."""
        while not self._done and (found := self._end.poll()):
            self._on_frame(*found)
        return self._lines

    async def lines(self) -> AsyncIterator[Line]:
        """Each line as soon as it does not change any more. Raises RequestError for what is no sound."""
        told = 0
        while True:
            for line in self._lines[told:]:
                yield line
            told = len(self._lines)
            if self._done:
                return
            self._on_frame(*await self._end.take())

    async def finish(self) -> str:
        """No more sound: all of the text."""
        await self.end()
        return joined([line async for line in self.lines()])

    async def _give(self, kind: Kind, data: bytes | memoryview) -> None:
        for piece in pieces(memoryview(data)):
            await self._end.give(kind, piece)

    def _on_frame(self, kind: Kind, data: bytes) -> None:
        if kind is Kind.LINE:
            start_s, length_s = LINE.unpack_from(data)
            self._lines.append(Line(data[LINE.size :].decode(), start_s, length_s))
        elif kind is Kind.DONE:
            self.sound_s, self._done = SECONDS.unpack(data)[0], True


@asynccontextmanager
async def hearing(brought: Brought, hush: Callable[[], None]) -> AsyncIterator[Ear]:
    """An ear that was brought to this instance; it is ended when this is left, unless it has done all."""
    with end_of(brought, hush) as end:
        yield Ear(end)


def pieces(data: memoryview) -> Iterator[memoryview]:
    """In pieces that fit a frame."""
    return (data[at : at + MOST_FRAME_BYTES] for at in range(0, len(data), MOST_FRAME_BYTES))


def joined(lines: list[Line]) -> str:
    """Their text as one."""
    return " ".join(line.text for line in lines)
