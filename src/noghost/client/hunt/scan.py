"""Search the memory of a process from outside, without stopping it, and count copies.

`bytes.find` for one needle at a time is the fast way: 7 GB/s against 0.014 GB/s for one regular expression
with 200 alternatives (measured on 64 MB).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from noghost.client.hunt.needle import TELLING, Needle
from noghost.client.hunt.regions import PAGE_BYTES, Region, regions_of, runs
from noghost.errors import HuntError

CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Find:
    """One copy: where, in which encoding, of what. It holds no content."""

    place: str
    kind: str
    encoding: str
    what: str
    address: int


def count_in_pid(pid: int, needles: Sequence[Needle], *, place: str = "", every: bool = False) -> list[Find]:
    """Count copies in one live process.

    Raises HuntError when the process does not exist or may not be read.
    """
    base = Path("/proc") / str(pid)
    with _opened(base / "mem") as mem_fd, _opened(base / "pagemap") as pagemap_fd:
        regions = regions_of((base / "maps").read_text(errors="replace"), every=every)
        skim = None if every else pagemap_fd
        return count_in_fd(mem_fd, regions, needles, place=place or f"pid {pid}", pagemap_fd=skim)


def count_in_fd(
    mem_fd: int,
    regions: Iterable[Region],
    needles: Sequence[Needle],
    *,
    place: str = "memory",
    pagemap_fd: int | None = None,
) -> list[Find]:
    """Count copies behind a descriptor that can be read at an offset: `/proc/PID/mem`, or a file.

    With `pagemap_fd` only pages that exist are read; without it, all of each region.
    """
    buffer = bytearray(CHUNK_BYTES)
    finds: list[Find] = []
    for region in regions:
        hits: set[tuple[int, int]] = set()
        for start, end in runs(region, pagemap_fd):
            hits |= _search(mem_fd, start, end, needles, buffer)
        copies = _copies([(address, needles[at]) for address, at in hits])
        finds += [Find(place, region.kind, n.encoding, n.what, address) for address, n in copies]
    buffer[:] = bytes(len(buffer))
    return finds


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a file of `/proc/PID` for reading; what goes wrong becomes a HuntError that says what to do."""
    fd = -1
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        yield fd
    except (FileNotFoundError, ProcessLookupError) as error:
        raise HuntError(f"no such process: {path.parent.name}", "give the pid of a running server") from error
    except PermissionError as error:
        raise HuntError(
            f"may not read the memory of process {path.parent.name}",
            "run the hunt as the server's user with ptrace allowed, or as root",
        ) from error
    finally:
        if fd >= 0:
            os.close(fd)


def _search(fd: int, start: int, end: int, needles: Sequence[Needle], buffer: bytearray) -> set[tuple[int, int]]:
    """All (address, index of needle) between two addresses, read in overlapping chunks."""
    overlap = max((len(needle.raw) for needle in needles), default=1) - 1
    hits: set[tuple[int, int]] = set()
    while start < end:
        got = _read(fd, memoryview(buffer)[: min(len(buffer), end - start)], start)
        if got == 0:  # a hole, or past the end of the mapped file
            start += PAGE_BYTES - start % PAGE_BYTES
            continue
        if buffer.count(0, 0, got) < got:
            hits |= {(start + at, index) for index, at in _matches(buffer, got, needles)}
        if start + got >= end:
            break
        start += max(got - overlap, 1) if got > overlap else got
    return hits


def _read(fd: int, view: memoryview, offset: int) -> int:
    """Read into `view`; 0 when there is nothing to read there."""
    try:
        return os.preadv(fd, [view], offset)
    except OSError:
        return 0


def _matches(buffer: bytearray, size: int, needles: Sequence[Needle]) -> Iterator[tuple[int, int]]:
    for index, needle in enumerate(needles):
        at = buffer.find(needle.raw, 0, size)
        while at >= 0:
            yield index, at
            at = buffer.find(needle.raw, at + 1, size)


def _copies(hits: Iterable[tuple[int, Needle]]) -> list[tuple[int, Needle]]:
    """Join ascending windows within the length of their text to one copy. Returns the first of each."""
    copies: list[tuple[int, Needle]] = []
    last: dict[tuple[str, str, int], tuple[int, int]] = {}  # (index of copy, index of its last window)
    for address, needle in _without_twins(hits):
        key = (needle.what, needle.family, needle.source)
        copy, window = last.get(key, (-1, 0))
        near = copy >= 0 and address - copies[copy][0] < needle.extent_bytes
        if not (near and needle.index > window):
            copy = len(copies)
            copies.append((address, needle))
        elif needle.encoding in TELLING:  # an escape in any window means that the whole copy is JSON
            copies[copy] = (copies[copy][0], needle)
        last[key] = (copy, needle.index)
    return copies


def _without_twins(hits: Iterable[tuple[int, Needle]]) -> list[tuple[int, Needle]]:
    """Sort by address; of a window seen one byte apart in both byte orders keep the one at an even address.

    Latin-1 text in UTF-16 is every second byte zero, so that one copy can match in both orders.
    """
    kept: list[tuple[int, Needle]] = []
    for address, needle in sorted(hits, key=lambda hit: (hit[0], hit[1].index)):
        before, twin = kept[-1] if kept else (-2, needle)
        same = (twin.family, twin.what, twin.source, twin.index) == (
            needle.family,
            needle.what,
            needle.source,
            needle.index,
        )
        if not (same and address - before == 1):
            kept.append((address, needle))
        elif address % 2 == 0:
            kept[-1] = (address, needle)
    return kept
