"""The processes that a conversation's instance is brought: an ear, a mouth, a mind. In an instance.

The conversation's record is opened once, without a seat; each that is brought has a record of its own, and a mind a
seat.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from queue import SimpleQueue

from noghost.api.compute import Compute
from noghost.api.here import Here
from noghost.errors import RequestError
from noghost.messages import Voice
from noghost.speech.ends import Brought

Hush = Callable[[], None]


class Children:
    """`begin` once, then `child` for each."""

    def __init__(self, here: Here, commitment: bytes | None) -> None:
        self._here = here
        self._wishes = SimpleQueue[Voice]()
        self._answers: Compute[Brought | RequestError | None] = Compute(lambda: self._ask(commitment))
        self._one = asyncio.Lock()
        self._count = 0

    async def begin(self) -> None:
        """The record is on the disk. Raises LedgerError."""
        await self._answers.next()

    @asynccontextmanager
    async def child(self, voice: Voice) -> AsyncIterator[tuple[Brought, Hush]]:
        """One of them, and how to end it. Raises RequestError where there are too many."""
        asking = asyncio.ensure_future(self._bring(voice))
        try:
            brought, hush = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(forget)
            raise
        try:
            yield brought, hush
        finally:
            shut(brought)

    async def _bring(self, voice: Voice) -> tuple[Brought, Hush]:
        async with self._one:
            self._wishes.put(voice)
            found = await self._answers.next()
            if isinstance(found, RequestError):
                raise found
            assert found is not None
            self._count += 1
            return found, partial(self._here.recorder.hush, self._count - 1)

    def _ask(self, commitment: bytes | None) -> Iterator[Brought | RequestError | None]:
        """In the thread that may wait."""
        here = self._here
        here.open(len(here.models) + len(here.remotes) + Voice.EAR, commitment, seatless=True)
        here.recorder.sync()
        yield None
        while True:
            voice = self._wishes.get()
            try:
                yield here.recorder.bring(voice)
            except RequestError as full:
                yield full


def shut(brought: Brought) -> None:
    """Its memory stays mapped, as all of an instance's does."""
    for descriptor in brought:
        os.close(descriptor)


def forget(asking: asyncio.Future[tuple[Brought, Hush]]) -> None:
    """It came when nobody wanted it any more."""
    if not asking.cancelled() and asking.exception() is None:
        brought, hush = asking.result()
        hush()
        shut(brought)
