"""The two ends of an arena: an instance's, which awaits, and a voice's, which blocks.

Covered: an instance whose voice has ended is told so, whatever ended it; once it has left an arena, which may be
another voice's then, nothing of it looks there any more. Not covered: the caller's patience.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from noghost.speech.frames import Kind, error_of
from noghost.speech.ring import Frame, Frames, Ring, frame, has_ended, map_arena

Brought = tuple[memoryview, int, int]  # arena, the bell that the voice hears, the bell that it rings
RUNG = (1).to_bytes(8, "little")  # eventfd(2)


class Arenas:
    """An instance's, by number: one that comes again is mapped already, and nothing can be unmapped."""

    def __init__(self) -> None:
        self._mapped: dict[int, memoryview] = {}

    def take(self, number: int, memory: int, hears: int, rings: int) -> Brought:
        """As the line to the reaper brings them."""
        if number not in self._mapped:
            self._mapped[number] = map_arena(memory)
        os.close(memory)
        return self._mapped[number], hears, rings


class VoiceEnd:
    """In a process of voice: mapped before it is confined."""

    def __init__(self, memory: int, hears: int, rings: int) -> None:
        arena = map_arena(memory)
        self._frames, self._out = Frames(Ring(arena, 0)), Ring(arena, 1)
        self.hears, self.rings = hears, rings

    def take(self, *, wait: bool = True) -> Frame | None:
        """The next frame; None where there is none and it is not waited for."""
        while (found := self._frames.take()) is None and wait:
            os.read(self.hears, 8)
        if found:
            os.write(self.rings, RUNG)  # there is room now
        return found

    def give(self, kind: Kind, data: bytes | memoryview = b"") -> None:
        """Say it; waits for room."""
        rest = frame(kind, data)
        while True:
            rest = rest[self._out.write(rest) :]
            os.write(self.rings, RUNG)
            if not rest:
                return
            os.read(self.hears, 8)


class InstanceEnd:
    """In the instance, on its event loop."""

    def __init__(self, arena: memoryview, hears: int, rings: int) -> None:
        self._arena = arena
        self._out, self._frames = Ring(self._arena, 0), Frames(Ring(self._arena, 1))
        self._voice_hears, self._bell = hears, rings
        self._rung = asyncio.Event()
        self.done = False  # the voice has said its last, and is ending
        self._left = False

    def __enter__(self) -> InstanceEnd:
        asyncio.get_running_loop().add_reader(self._bell, self._on_bell)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.get_running_loop().remove_reader(self._bell)
        self._left = True
        self._rung.set()  # who still waits is told

    def _on_bell(self) -> None:
        os.read(self._bell, 8)
        self._rung.set()

    async def give(self, kind: Kind, data: bytes | memoryview = b"") -> None:
        """Say it; waits for room. RequestError where the voice has ended."""
        rest = frame(kind, data)
        while True:
            if self._begin_look():
                raise error_of(b"")
            rest = rest[self._out.write(rest) :]
            os.write(self._voice_hears, RUNG)
            if not rest:
                return
            await self._rung.wait()

    def poll(self) -> Frame | None:
        """The next frame, where there is one. Raises what a FAULT means."""
        self._check_here()
        found = self._frames.take()
        if found is None:
            return None
        os.write(self._voice_hears, RUNG)  # there is room now
        self.done = found[0] in (Kind.DONE, Kind.FAULT)
        if found[0] is Kind.FAULT:
            raise error_of(found[1])
        return found

    async def take(self) -> Frame:
        """The next frame. RequestError for a fault, or where the voice has ended before it."""
        while True:
            ended = self._begin_look()
            if found := self.poll():
                return found
            if ended:
                raise error_of(b"")
            await self._rung.wait()

    def _begin_look(self) -> bool:
        """Whether the voice has ended; asked before the look, so that what it said last is seen."""
        self._check_here()
        self._rung.clear()
        return has_ended(self._arena)

    def _check_here(self) -> None:
        if self._left:
            raise error_of(b"")


@contextmanager
def end_of(brought: Brought, hush: Callable[[], None]) -> Iterator[InstanceEnd]:
    """The end to a voice that was brought to this instance; when left, `hush` ends it, unless it has done all."""
    with InstanceEnd(*brought) as end:
        try:
            yield end
        finally:
            if not end.done:
                hush()
