"""What reaper, warden and instances know together without a message: how many seats are taken, how many that computed
wait for their wipe, and what was counted.

An instance reads the seats before every decode and takes its share of the cores (instance/share.py): ggml's barriers
spin, and 4 instances of 2 threads on 2 cores decode at a small fraction of what 4 of 1 thread do.

The page of the seats is sealed: only the mapping that exists before the seal (the reaper's) can be written, so no
instance can leave anything in it. The page of the counts (metrics.py) is written by reaper and warden; no instance has
it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

from noghost.metrics import Counts

PAGE_BYTES = mmap.PAGESIZE
NUMBER = struct.Struct("=I")
TAKEN, WIPING = 0, NUMBER.size  # where they stand
F_SEAL_FUTURE_WRITE = 0x10  # linux/fcntl.h, since Linux 5.1; not in Python 3.11's fcntl
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | F_SEAL_FUTURE_WRITE


class Board:
    """Made once, before the first fork. The reaper keeps `write`; everybody else calls `forget_writing`."""

    def __init__(self) -> None:
        descriptor = os.memfd_create("noghost-board", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, PAGE_BYTES)
            self._writable: mmap.mmap | None = mmap.mmap(descriptor, PAGE_BYTES)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
            self._readable = mmap.mmap(descriptor, PAGE_BYTES, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        self.counts = Counts()

    def forget_writing(self) -> None:
        """Drop the only mapping that can be written, and keep the counts from children: in all but the reaper."""
        self.counts.keep_from_children()
        if self._writable is not None:
            self._writable.close()
            self._writable = None

    def write_taken(self, taken: int) -> None:
        """In the reaper: so many seats are taken now."""
        self._write(TAKEN, taken)

    def write_wiping(self, count: int) -> None:
        """In the reaper: so many that computed are wiped now, or soon."""
        self._write(WIPING, count)

    def taken(self) -> int:
        """Seats taken now."""
        return self._read(TAKEN)

    def wiping(self) -> int:
        """Such that are wiped now, or soon."""
        return self._read(WIPING)

    def _write(self, place: int, number: int) -> None:
        assert self._writable is not None
        NUMBER.pack_into(self._writable, place, number)

    def _read(self, place: int) -> int:
        return int(NUMBER.unpack_from(self._readable, place)[0])
