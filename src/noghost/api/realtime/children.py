"""The processes that a conversation's instance is brought: an ear, a mouth, a mind. In an instance.

The conversation's record is opened once, without a seat; each that is brought has a record of its own, and a mind a
seat. What it shared with one that has ended, and with which it is done, the reaper zeroes at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from queue import SimpleQueue

from noghost.api.compute import Compute
from noghost.api.here import Here, Recorder
from noghost.errors import RequestError
from noghost.messages import Voice
from noghost.speech.ends import Arenas, Brought

Hush = Callable[[], None]
Found = tuple[int, int, int, int]  # as the line to the reaper brings it


class Children:
    """`begin` once, then `child` for each."""

    def __init__(self, here: Here, commitment: bytes | None) -> None:
        self._here = here
        self._wishes = SimpleQueue[Voice]()
        self._answers: Compute[Found | RequestError | None] = Compute(lambda: self._ask(commitment))
        self._arenas = Arenas()
        self._one = asyncio.Lock()

    async def begin(self) -> None:
        """The record is on the disk. Raises LedgerError."""
        await self._answers.next()

    @asynccontextmanager
    async def child(self, voice: Voice) -> AsyncIterator[tuple[Brought, Hush]]:
        """One of them, and how to end it. Raises RequestError where there are too many."""
        asking = asyncio.ensure_future(self._bring(voice))
        try:
            lent = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(forget)
            raise
        try:
            yield lent.brought, lent.hush
        finally:
            lent.give_back()

    async def _bring(self, voice: Voice) -> Lent:
        async with self._one:
            self._wishes.put(voice)
            found = await self._answers.next()
            if isinstance(found, RequestError):
                raise found
            assert found is not None
            return Lent(found[0], self._arenas.take(*found), self._here.recorder)

    def _ask(self, commitment: bytes | None) -> Iterator[Found | RequestError | None]:
        """In the thread that may wait."""
        here = self._here
        here.open(here.number_of(Voice.EAR), commitment, seatless=True)
        here.recorder.sync()
        yield None
        while True:
            voice = self._wishes.get()
            try:
                yield here.recorder.bring(voice)
            except RequestError as full:
                yield full


class Lent:
    """One that was brought, until this instance is done with it: said once, since its arena may be another's then."""

    def __init__(self, number: int, brought: Brought, recorder: Recorder) -> None:
        self._number, self.brought, self._recorder = number, brought, recorder
        self._is_left = False

    def hush(self) -> None:
        """End it at once."""
        self._leave(at_once=True)

    def give_back(self) -> None:
        """It has ended, or is about to. Its memory stays mapped, as all of an instance's does."""
        self._leave(at_once=False)
        for bell in self.brought[1:]:
            os.close(bell)

    def _leave(self, *, at_once: bool) -> None:
        if not self._is_left:
            self._is_left = True
            self._recorder.hush(self._number, at_once=at_once)


def forget(asking: asyncio.Future[Lent]) -> None:
    """It came when nobody wanted it any more."""
    if not asking.cancelled() and asking.exception() is None:
        lent = asking.result()
        lent.hush()
        lent.give_back()
