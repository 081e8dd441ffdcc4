"""An arena as two rings of bytes, and frames in them. In an instance and in a process of voice.

Covered: what the other end wrote is taken as no more than bytes: a frame over its bound, or counters that cannot be,
raise. Not covered: what the bytes mean; who zeroes them (reaper/arenas.py); a processor that may show another one two
writes in another order, as aarch64's: bytes are written before their counter.
"""

from __future__ import annotations

import ctypes
import mmap
import os

from noghost.arena import ARENA_BYTES, COUNTERS, ENDED, HEAD_BYTES, RING_BYTES
from noghost.errors import EngineError
from noghost.speech.frames import HEAD, MOST_FRAME_BYTES, Kind

COUNTER_BYTES = 8
MAP_FAILED = ctypes.c_void_p(-1).value
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]

Frame = tuple[Kind, bytes]


def map_arena(descriptor: int) -> memoryview:
    """The shared memory of an arena. By mmap(2) itself: Python's own asks for more calls than an instance has."""
    address = _libc.mmap(None, ARENA_BYTES, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, descriptor, 0)
    if address == MAP_FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return memoryview((ctypes.c_ubyte * ARENA_BYTES).from_address(address)).cast("B")


class Ring:
    """One of the two, `which` 0 or 1. One process writes, the other reads."""

    def __init__(self, arena: memoryview, which: int) -> None:
        self._counters = counters(arena, which)
        start = HEAD_BYTES + which * RING_BYTES
        self._bytes = arena[start : start + RING_BYTES]

    def _count(self) -> tuple[int, int]:
        """(written, read), bytes since the beginning. EngineError for what cannot be."""
        written, read = self._counters
        if not 0 <= written - read <= RING_BYTES:
            raise EngineError("the other end of an arena broke its form")
        return written, read

    def write(self, data: memoryview) -> int:
        """As much of it as there is room for; how much."""
        written, read = self._count()
        length = min(len(data), RING_BYTES - (written - read))
        at = written % RING_BYTES
        first = min(length, RING_BYTES - at)
        self._bytes[at : at + first] = data[:first]
        self._bytes[: length - first] = data[first:length]
        self._counters[0] = written + length
        return length

    def read(self) -> bytes:
        """All that is there."""
        written, read = self._count()
        at, length = read % RING_BYTES, written - read
        first = min(length, RING_BYTES - at)
        data = bytes(self._bytes[at : at + first]) + bytes(self._bytes[: length - first])
        self._counters[1] = written
        return data


def counters(arena: memoryview, which: int) -> memoryview:
    """Bytes written and bytes read of one ring. Each is set and read at once: `struct` does it byte by byte, and the
    other process would see a number that never was."""
    return arena[COUNTERS[which] : COUNTERS[which] + 2 * COUNTER_BYTES].cast("Q")


class Frames:
    """Takes frames out of a ring as they become whole."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._taken = bytearray()

    def take(self) -> Frame | None:
        """The next one, where it is whole."""
        self._taken += self._ring.read()
        if len(self._taken) < HEAD.size:
            return None
        number, length = HEAD.unpack_from(self._taken)
        if length > MOST_FRAME_BYTES:
            raise EngineError("the other end of an arena broke its form")
        if len(self._taken) < HEAD.size + length:
            return None
        data = bytes(self._taken[HEAD.size : HEAD.size + length])
        del self._taken[: HEAD.size + length]
        return Kind(number), data


def frame(kind: Kind, data: bytes | memoryview) -> memoryview:
    """The bytes of one; it must be within MOST_FRAME_BYTES."""
    assert len(data) <= MOST_FRAME_BYTES
    return memoryview(HEAD.pack(kind, len(data)) + bytes(data))


def has_ended(arena: memoryview) -> bool:
    """The reaper says that the voice of this arena has ended."""
    return bool(arena[ENDED])
