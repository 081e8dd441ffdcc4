"""The hatch: where a scrape of the metrics knocks, apart from the door. In the warden, for as long as the service runs.

Covered: who scrapes gets an instance like any other, confined and wiped, and what it says is read there alone; it takes
no place from callers: no seat, no room in the lobby, no birth of theirs; so many at once and no more.
Not covered: who may reach the address; a storm of scrapes, each of which costs the warden a fork.
"""

from __future__ import annotations

import contextlib
import select
import socket

from noghost.warden.births import Nursery, bear
from noghost.warden.ear import Ear

MOST = 4  # alive at once; the next waits outside


class Hatch:
    """One per service that has metrics; what there is to tell was noted before a knock is heard."""

    def __init__(self, listener: socket.socket, nursery: Nursery) -> None:
        self.listener = listener
        self._nursery = nursery
        self._alive: set[int] = set()
        self._ear = Ear(listener)

    def mind(self, poll: select.epoll, *, wanted: bool) -> None:
        """Listen, as long as the warden wants that and not too many are alive."""
        self._ear.mind(poll, wanted=wanted and len(self._alive) < MOST)

    def hears(self, descriptor: int) -> bool:
        """Whether it was here that somebody knocked."""
        return self._ear.hears(descriptor)

    def on_knock(self) -> None:
        """Let one in, and bear its instance. Raises OSError where the host is short of something."""
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = self.listener.accept()
            with connection:
                self._alive.add(bear(connection, self._nursery))

    @property
    def busy(self) -> bool:
        """Whether an instance of its own is alive."""
        return bool(self._alive)

    def gone(self, pid: int) -> None:
        """An instance has ended; it may be none of these."""
        self._alive.discard(pid)
