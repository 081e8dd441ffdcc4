"""The memory between an instance and a process of voice: made, and zeroed when both are done with it. In the reaper.

Covered: sound and text that cross between the two; every page of the arena that was ever touched is zeroed and read
back as soon as the voice has ended and the instance says that it looks there no more, and again once the instance has
ended too, which may write there until then. Then it goes to the kernel. Only the same instance's next voice is given
it again, zeroed: an instance can unmap nothing (instance/calls.py), and would need ever more room.
Not covered: what either holds in memory of its own, which is wiped as an instance's is.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from noghost.arena import ARENA_BYTES, ENDED
from noghost.errors import WipeError
from noghost.reaper.wipe import CHUNK_BYTES, Wiped, verify, zeros

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW  # no page of it can be given back early
RING = (1).to_bytes(8, "little")  # eventfd(2): it becomes readable

Zeroer = Callable[[int], Wiped]


class Arena:
    """One of them; `holders` are the processes that have it."""

    def __init__(self) -> None:
        self._memory = os.memfd_create("noghost-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._memory, ARENA_BYTES)
        fcntl.fcntl(self._memory, fcntl.F_ADD_SEALS, SEALS)
        flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
        self._bells = (os.eventfd(0, os.EFD_CLOEXEC), os.eventfd(0, flags))  # the voice waits by reading
        self.holders: set[int] = set()
        self.owner = 0  # the instance
        self.left = False  # which wants no more of it
        self.spare = False  # zeroed since: the instance's next voice can have it

    @property
    def descriptors(self) -> list[int]:
        """Memory, the bell that the voice hears, the bell that the instance hears."""
        return [self._memory, *self._bells]

    def tell_ended(self) -> None:
        """The voice has ended, or will not come: its instance need not wait for it."""
        with suppress(OSError):
            os.pwrite(self._memory, b"\1", ENDED)
            os.write(self._bells[1], RING)

    def empty(self, zeroer: Zeroer) -> None:
        """The voice has ended, and its instance is done with it: zero it, read it back. Raises WipeError."""
        zeroer(self._memory)
        self.spare = True

    def take(self) -> None:
        """For another voice."""
        self.left = self.spare = False

    def wipe(self, zeroer: Zeroer) -> Wiped:
        """Nobody has it any more: zero it, read it back, let it go. Raises WipeError."""
        try:
            return zeroer(self._memory)
        finally:
            for descriptor in self.descriptors:
                os.close(descriptor)


def zero_arena(memory: int) -> Wiped:
    """Every page that is there; raises WipeError when one was not zero afterwards."""
    wiped_bytes = 0
    for offset, length in touched(memory):
        if os.pwrite(memory, zeros(length), offset) != length:
            raise WipeError(f"{length} bytes of an arena could not be zeroed")
        verify(memory, [(offset, length)])
        wiped_bytes += length
    return Wiped(wiped_bytes, wiped_bytes)


def touched(memory: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of what was ever written or read, in pieces of at most CHUNK_BYTES: lseek(2), SEEK_DATA."""
    end = 0
    while True:
        try:
            start = os.lseek(memory, end, os.SEEK_DATA)
        except OSError:  # ENXIO: there is no more
            return
        end = os.lseek(memory, start, os.SEEK_HOLE)
        for offset in range(start, end, CHUNK_BYTES):
            yield offset, min(CHUNK_BYTES, end - offset)
