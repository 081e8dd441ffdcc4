"""The compute thread of an instance: what it makes, the main thread awaits.

The main thread watches the caller meanwhile; when the caller leaves, it ends the process, and with it this thread
wherever it is. So nothing here has to be interruptible.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from noghost.api.here import Here
from noghost.errors import RequestError

T = TypeVar("T")


class Compute(Generic[T]):
    """Runs an iterator in the thread. `next` gives what it yields, and raises what it raised."""

    def __init__(self, sentence: Callable[[], Iterator[T]]) -> None:
        """Begin at once."""
        self._sentence = sentence
        self._loop = asyncio.get_running_loop()
        self._made: asyncio.Queue[T | BaseException] = asyncio.Queue()
        threading.Thread(target=self._run, daemon=True).start()

    async def next(self) -> T:
        """What comes next; there must be something."""
        item = await self._made.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def _run(self) -> None:
        """In the thread, which ends with the process, never before."""
        try:
            for item in self._sentence():
                self._put(item)
        except BaseException as error:  # noqa: BLE001  the main thread raises it
            self._put(error)
        threading.Event().wait()

    def _put(self, item: T | BaseException) -> None:
        self._loop.call_soon_threadsafe(self._made.put_nowait, item)


def check_threads(here: Here, threads: int | None) -> None:
    """Raise RequestError for more threads than there are: each spins for the others, and 256 on 2 cores stop the
    whole machine."""
    most, param = here.most_threads, "noghost.threads"
    if threads and threads > most:
        raise RequestError(f"{param} is over this service's {most}", code="invalid_value", param=param)
