"""Zero an ended instance's own pages and read them back. In the reaper, in the instance's exit stop.

Covered: every page that is the instance's alone: anonymous (pagemap bit 61 clear) and mapped by no other process
(bit 56 set), present or swapped, in every private mapping whatever its protection. That is what the instance
wrote, and whatever copy-on-write made its own.
Not covered: pages that the instance shares with the warden and never wrote; pages that it gave back while it
lived (`instance/memory.py` sees to it that it gives back none that held anything); the swap device's own blocks;
kernel buffers, registers and caches.

Bits of /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from noghost.errors import WipeError
from noghost.reaper.trace import Windows

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
CHUNK_BYTES = 256 << 10  # what is zeroed is read back out of the second-level cache
STEP_RUNS = 64  # in a step at most, so that a birth waits about a millisecond
ENTRY_BYTES = 8  # of the page map, for each page
KERNEL_AREAS = (b"[vvar]", b"[vvar_vclock]", b"[vdso]", b"[vsyscall]")

# The top byte of a pagemap entry: present 0x80, swapped 0x40, file or shared 0x20, exclusive 0x01.
OWN = bytes(int(bool(top & 0xC0) and not top & 0x20 and (bool(top & 0x01) or not top & 0x80)) for top in range(256))
OWN_RUN = re.compile(b"\x01+")
MAPPING = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) ...(.) \S+ \S+ \S+ *(.*)$", re.MULTILINE)

_libc = ctypes.CDLL(None)
_libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
STEP_BYTES = 2 * CHUNK_BYTES


def page_aligned(length: int) -> ctypes.Array[ctypes.c_char]:
    """So many zero bytes, from the beginning of a page; those that are only read are one page of the kernel's.

    The kernel copies what is another process's from the beginning of a page of its own. To a place a few bytes after
    the beginning of one, where malloc puts what is large, the processor copies far slower (`rep movsb`, which takes
    the two for overlapping by the lowest bits of their addresses): bench/wipe.py.
    """
    return (ctypes.c_char * length).from_buffer(mmap.mmap(-1, length, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


_zeros = page_aligned(STEP_BYTES)
_libc.mprotect(_zeros, STEP_BYTES, mmap.PROT_READ)  # what is written, and what is compared with: it stays as it is
_zeros_view = memoryview(_zeros).cast("B")
_seen = page_aligned(STEP_BYTES)
_seen_view = memoryview(_seen).cast("B")
_entries = page_aligned(CHUNK_BYTES)
_entries_view = memoryview(_entries).cast("B")


@dataclass(frozen=True, slots=True)
class Wiped:
    """What a wipe did, in bytes."""

    wiped_bytes: int
    verified_bytes: int
    wiped_ns: int = 0  # CLOCK_MONOTONIC after the last page was zeroed


Runs = list[tuple[int, int]]  # (address, length in bytes)
Steps = Generator[None, None, Wiped]
Wiper = Callable[[Windows], Steps]


def wipe(windows: Windows) -> Wiped:
    """Zero and verify all of the process's own pages; raises WipeError when one was not zero afterwards."""
    steps = wipe_in_steps(windows)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            done: Wiped = end.value
            return done


def wipe_in_steps(windows: Windows) -> Steps:
    """The same, a little at each step, so that others have their turn; the process must stay stopped meanwhile.

    A step that fails is raised for at the end: the others are wiped all the same.
    """
    wiped_bytes = verified_bytes = wiped_ns = 0
    failed: WipeError | None = None
    for step in steps_of(own_runs(windows)):
        try:
            wiped_bytes += zero(windows.mem, step)
            wiped_ns = time.monotonic_ns()
            verified_bytes += verify(windows.mem, step)
        except WipeError as error:
            failed = failed or error
        yield
    if failed:
        raise failed
    return Wiped(wiped_bytes, verified_bytes, wiped_ns)


def steps_of(runs: Iterable[tuple[int, int]]) -> Iterator[Runs]:
    """The runs, some at a time: at most STEP_RUNS pieces of at most CHUNK_BYTES, and STEP_BYTES together."""
    step: Runs = []
    step_bytes = 0
    for address, run_bytes in runs:
        for offset in range(0, run_bytes, CHUNK_BYTES):
            length = min(CHUNK_BYTES, run_bytes - offset)
            step.append((address + offset, length))
            step_bytes += length
            if len(step) == STEP_RUNS or step_bytes >= CHUNK_BYTES:
                yield step
                step, step_bytes = [], 0
    if step:
        yield step


def own_runs(windows: Windows) -> Iterator[tuple[int, int]]:
    """(address, length in bytes) of each run of own pages; the process must be stopped."""
    for start, end in joined(private_mappings(windows.maps)):
        for address, tops in pagemap_tops(windows.pagemap, start, end):
            for run in OWN_RUN.finditer(tops.translate(OWN)):
                yield address + run.start() * PAGE_BYTES, (run.end() - run.start()) * PAGE_BYTES


def private_mappings(maps: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each private mapping of the process, the kernel's own areas left out."""
    for mapping in MAPPING.finditer(read_all(maps)):
        if mapping[3] == b"p" and mapping[4] not in KERNEL_AREAS:
            yield int(mapping[1], 16), int(mapping[2], 16)


def joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans of (start, end), in order, with those that touch made one: a library alone has five."""
    begun, ended = 0, 0
    for start, end in spans:
        if start != ended:
            if ended:
                yield begun, ended
            begun = start
        ended = end
    if ended:
        yield begun, ended


def read_all(descriptor: int) -> bytes:
    """A /proc file from its beginning, a page at a time: the kernel gives no more at once."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return b"".join(iter(lambda: os.read(descriptor, PAGE_BYTES), b""))


def pagemap_tops(pagemap: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """An address, and the top byte of the entry of each page from there on, from `start` to `end` (addresses)."""
    at, stop = (address // PAGE_BYTES * ENTRY_BYTES for address in (start, end))
    while at < stop:
        read = os.preadv(pagemap, [_entries_view[: stop - at]], at)
        if not read:
            raise WipeError(f"the page map ends {stop - at} bytes early")
        tops = cast(bytes, _entries[ENTRY_BYTES - 1 : read : ENTRY_BYTES])  # the slice of an array of chars is bytes
        yield at // ENTRY_BYTES * PAGE_BYTES, tops
        at += read


def zeros(length: int) -> memoryview:
    """So many zero bytes, STEP_BYTES at most."""
    return _zeros_view[:length]


def zero(mem: int, step: Runs) -> int:
    """Write zeros over the runs of one step; the bytes. Raises WipeError where the kernel refuses some of it, once all
    other pages of the step are zero."""
    zeroed_bytes = refused_bytes = 0
    for address, length in step:
        at, end = address, address + length
        while at < end:
            written = _write_zeros(mem, at, end - at)
            zeroed_bytes += written
            at += written
            if at < end:  # up to a page that it refuses: go on after that
                beyond = min(end, at - at % PAGE_BYTES + PAGE_BYTES)
                refused_bytes += beyond - at
                at = beyond
    if refused_bytes:
        raise WipeError(f"{refused_bytes} bytes could not be zeroed")
    return zeroed_bytes


def _write_zeros(mem: int, address: int, length: int) -> int:
    """How many bytes the kernel took."""
    try:
        return os.pwrite(mem, zeros(length), address)
    except OSError:
        return 0


def verify(mem: int, step: Runs) -> int:
    """Read the runs of one step back; the bytes seen to be zero. Raises WipeError when one is not."""
    read_bytes = asked_bytes = 0
    try:
        for address, length in step:
            read_bytes += os.preadv(mem, [_seen_view[asked_bytes : asked_bytes + length]], address)
            asked_bytes += length
    except OSError as refused:
        raise _unverified(f"{length} bytes could not be read back ({refused.strerror})") from refused
    if read_bytes != asked_bytes or _libc.memcmp(_seen, _zeros, asked_bytes):
        raise _unverified("a page was not zero after the wipe")
    return read_bytes


def _unverified(message: str) -> WipeError:
    """What to raise; nothing of what was read is kept."""
    ctypes.memset(_seen, 0, STEP_BYTES)
    return WipeError(message)
