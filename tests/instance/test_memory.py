"""Memory that was freed stays in the process until its end; without the measures it does not (control)."""

from __future__ import annotations

import ctypes
import gc

from instance.forked import in_child
from noghost.instance.memory import keep_malloc_pages, keep_python_arenas

LARGE_BYTES = 64 << 20
CANARY = b"noghost-memory-canary-0451"
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]


def mapped(address: int) -> bool:
    """Whether an address belongs to any mapping of this process."""
    with open("/proc/self/maps") as maps:  # noqa: PTH123  read in a process that is taken apart
        ranges = (line.split()[0].split("-") for line in maps)
        return any(int(start, 16) <= address < int(end, 16) for start, end in ranges)


def free_a_large_block() -> bool:
    """Allocate, write, free; is the far end of it still mapped?"""
    block = libc.malloc(LARGE_BYTES)
    ctypes.memset(block, 0x41, LARGE_BYTES)
    libc.free(block)
    return mapped(block + LARGE_BYTES - 4096)


def test_freed_blocks_stay_mapped() -> None:
    assert in_child(lambda: (keep_malloc_pages(), free_a_large_block())[1]) is True


def test_control_without_the_measure_they_go() -> None:
    assert in_child(free_a_large_block) is False


def arenas_kept() -> bool:
    """Fill arenas of CPython's allocator, free them; are the pages of all the objects still mapped?"""
    keep = [bytes(400) for _ in range(200_000)]
    addresses = [id(one) for one in keep[::2000]]
    del keep
    gc.collect()
    return all(mapped(address) for address in addresses)


def test_freed_arenas_stay_mapped() -> None:
    assert in_child(lambda: (keep_python_arenas(), arenas_kept())[1]) is True


def test_control_without_the_measure_arenas_go() -> None:
    assert in_child(arenas_kept) is False
