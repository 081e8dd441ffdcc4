"""Give back the pages of a C buffer that hold nothing but zeros; have a file hold the others.

In the warden, with one thread and while no instance lives. For private anonymous memory a page that is zero and a page
that is not there read the same, so MADV_DONTNEED changes nothing but the memory that the process holds.

Covered: memory that was mapped while one C call ran, and that belongs to what the call made.
Not covered: the heap and Python's own arenas. This code allocates while it looks, so a page there that is
zero when compared need not be when given back. (`zero_blocks` leaves them out, where another thread mapped
memory meanwhile.) A page of that kind in the ranges after all would not be lost silently: they are
write-protected from before the comparison until after the release, and a write would end the process with
SIGSEGV at its start. `hold_in_file` does the same from the copy until the mapping.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from noghost.errors import EngineError

PAGE_BYTES = mmap.PAGESIZE
BLOCK_BYTES = 256 * PAGE_BYTES
SAMPLE_BYTES = 16 * PAGE_BYTES
PRESENT = 1 << 63  # Documentation/admin-guide/mm/pagemap.rst, bit 63
PROT_READ, PROT_WRITE = mmap.PROT_READ, mmap.PROT_WRITE
MAP_FIXED = 0x10  # asm-generic/mman-common.h
FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mmap.restype = ctypes.c_void_p
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


Made = TypeVar("Made")
_MAPS = Path("/proc/self/maps")


class Range(NamedTuple):
    """Addresses [start, end), multiples of the page size."""

    start: int
    end: int


def parse_maps(text: str) -> list[Range]:
    """Return the private, anonymous, writable, nameless mappings in the text of /proc/PID/maps, in order.

    The fields are those of proc_pid_maps(5). A name means a file, a stack, the heap or the kernel's own.
    """
    ranges = []
    for line in text.splitlines():
        addresses, permissions, _offset, _device, inode, *name = line.split(maxsplit=5)
        if permissions == "rw-p" and inode == "0" and not name:
            start, end = (int(part, 16) for part in addresses.split("-"))
            ranges.append(Range(start, end))
    return ranges


def subtract(after: list[Range], before: list[Range]) -> list[Range]:
    """Return the parts of `after` that are not in `before`."""
    parts = list(after)
    for gone in before:
        parts = [
            piece
            for part in parts
            for piece in (
                Range(part.start, min(part.end, gone.start)),
                Range(max(part.start, gone.end), part.end),
            )
            if piece.start < piece.end
        ]
    return parts


def mapped_during(make: Callable[[], Made]) -> tuple[Made, list[Range]]:
    """Run `make` and return what it made with the anonymous memory that was mapped meanwhile.

    `make` should be one C call, so that what is mapped meanwhile is C's and not Python's.
    """
    before = _MAPS.read_text()
    made = make()
    after = _MAPS.read_text()
    return made, subtract(parse_maps(after), parse_maps(before))


def zero_blocks(ranges: list[Range]) -> list[Range]:
    """What of `ranges` is still anonymous memory, in blocks whose first page is there and zero: what was cleared, but
    for its edges.

    For ranges that another thread's memory may be among: of CPython's arenas no such page is zero once it is there,
    since each of its pools (16 KiB) begins with a header that is not.
    """
    still = parse_maps(_MAPS.read_text())
    shared = [Range(max(a.start, b.start), min(a.end, b.end)) for a in ranges for b in still]
    pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
    try:
        found: list[Range] = []
        for run in (run for part in shared if part.start < part.end for run in _present_runs(pagemap, part)):
            first = -(-run.start // SAMPLE_BYTES) * SAMPLE_BYTES
            for start in range(first, run.end - SAMPLE_BYTES + 1, SAMPLE_BYTES):
                if not _is_zero(start, start + PAGE_BYTES):
                    continue
                joins = bool(found) and found[-1].end == start
                found.append(Range(found.pop().start if joins else start, start + SAMPLE_BYTES))
        return found
    finally:
        os.close(pagemap)


def release_zero_pages(ranges: list[Range]) -> int:
    """Give back every present page of `ranges` that is wholly zero. Returns the bytes given back.

    Raises EngineError if this process has a second thread, or the kernel refuses to protect a range.
    """
    _refuse_threads()
    pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
    try:
        return sum(_release_range(pagemap, part) for part in ranges)
    finally:
        os.close(pagemap)


def hold_in_file(ranges: list[Range], descriptor: int) -> int:
    """Write every present page of `ranges` to an empty file, then map it privately in their place; return the bytes.

    What reads or writes there sees no difference: a write makes a page this process's own, as before. The file is
    brought to its disk first, so that the kernel can forget its pages and read them again.
    Raises OSError when it cannot be written, EngineError with a second thread or if the kernel refuses.
    """
    _refuse_threads()
    pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
    try:
        runs = [run for part in ranges for run in _present_runs(pagemap, part)]
    finally:
        os.close(pagemap)
    for part in runs:
        _protect(part, PROT_READ)
    try:
        for run in runs:
            _write_all(descriptor, run)
        os.fsync(descriptor)
    except OSError:
        for part in runs:
            _protect(part, PROT_READ | PROT_WRITE)
        raise
    offset = 0
    for run in runs:
        _map_over(run, descriptor, offset)
        offset += run.end - run.start
    return offset


def _refuse_threads() -> None:
    if len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208 - names are enough
        raise EngineError("refused to release pages in a process that has a second thread")


def _write_all(descriptor: int, run: Range) -> None:
    view = memoryview((ctypes.c_char * (run.end - run.start)).from_address(run.start))
    while view:
        view = view[os.write(descriptor, view) :]


def _map_over(run: Range, descriptor: int, offset: int) -> None:
    flags = mmap.MAP_PRIVATE | MAP_FIXED
    if _libc.mmap(run.start, run.end - run.start, PROT_READ | PROT_WRITE, flags, descriptor, offset) == FAILED:
        raise EngineError(f"could not map a file: {os.strerror(ctypes.get_errno())}")


def _release_range(pagemap: int, part: Range) -> int:
    _protect(part, PROT_READ)
    try:
        return sum(_release(run) for present in _present_runs(pagemap, part) for run in _zero_runs(present))
    finally:
        _protect(part, PROT_READ | PROT_WRITE)


def _present_runs(pagemap: int, part: Range) -> Iterator[Range]:
    """Yield the runs of pages that are there. Asking the pagemap first faults none of the others in."""
    entries = array("Q")
    entries.frombytes(os.pread(pagemap, (part.end - part.start) // PAGE_BYTES * 8, part.start // PAGE_BYTES * 8))
    start = None
    for index, entry in enumerate([*entries, 0]):
        if entry & PRESENT:
            start = index if start is None else start
        elif start is not None:
            yield Range(part.start + start * PAGE_BYTES, part.start + index * PAGE_BYTES)
            start = None


def _zero_runs(present: Range) -> Iterator[Range]:
    """Yield the blocks of `present` that are all zero; of a block that is not, its pages that are."""
    for start in range(present.start, present.end, BLOCK_BYTES):
        end = min(start + BLOCK_BYTES, present.end)
        if _is_zero(start, end):
            yield Range(start, end)
        else:
            pages = (Range(page, page + PAGE_BYTES) for page in range(start, end, PAGE_BYTES))
            yield from (page for page in pages if _is_zero(*page))


_ZEROS = ctypes.create_string_buffer(BLOCK_BYTES)


def _is_zero(start: int, end: int) -> bool:
    return bool(_libc.memcmp(start, _ZEROS, end - start) == 0)


def _release(run: Range) -> int:
    size = run.end - run.start
    if _libc.madvise(run.start, size, mmap.MADV_DONTNEED) == 0:
        return size
    if ctypes.get_errno() == errno.EINVAL:  # locked in memory: it stays, and costs what it costs
        return 0
    raise EngineError(f"could not give back memory: {os.strerror(ctypes.get_errno())}")


def _protect(part: Range, protection: int) -> None:
    if _libc.mprotect(part.start, part.end - part.start, protection) != 0:
        raise EngineError(f"could not protect memory: {os.strerror(ctypes.get_errno())}")
