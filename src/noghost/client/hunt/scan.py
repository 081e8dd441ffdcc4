"""Search the memory of a process from outside, without stopping it, and count copies.

Read are the pages that the process has (`/proc/PID/pagemap` tells), through `/proc/PID/mem`: private ones
whether anonymous or of a file, and shared ones that somebody may write. Not read: pages never touched, pages
that still are a file's own bytes, shared read-only files (the weights), `[vvar]` and `[vsyscall]`.

`bytes.find` for one needle at a time is the fast way: 7 GB/s against 0.014 GB/s for one regular expression
with 200 alternatives (measured on 64 MB).
"""

from __future__ import annotations

import contextlib
import mmap
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from noghost.client.hunt.needle import TELLING, Needle
from noghost.errors import HuntError

CHUNK_BYTES = 4 << 20
PAGE_BYTES = mmap.PAGESIZE
# Linux, Documentation/admin-guide/mm/pagemap.rst
_PRESENT_OR_SWAPPED = 1 << 63 | 1 << 62
_FILE_PAGE = 1 << 61
_PAGEMAP_ENTRIES = 1 << 16


@dataclass(frozen=True, slots=True)
class Region:
    """One line of `/proc/PID/maps`, or the extent of a file; addresses in bytes, `end` exclusive."""

    start: int
    end: int
    perms: str
    inode: int
    path: str

    @property
    def kind(self) -> str:
        """heap, stack, anon, shared memory or file."""
        if self.path in ("[heap]", "[stack]"):
            return self.path[1:-1]
        if self.path.startswith(("/dev/shm/", "/memfd:", "/SYSV", "/dev/zero")):  # noqa: S108  a mapping's name, no file is made
            return "shared memory"
        return "file" if self.path.startswith("/") else "anon"

    @property
    def shared(self) -> bool:
        return "s" in self.perms


@dataclass(frozen=True, slots=True)
class Find:
    """One copy: where, in which encoding, of what. It holds no content."""

    place: str
    kind: str
    encoding: str
    what: str
    address: int


def regions_of(maps: str, *, every: bool = False) -> list[Region]:
    """The regions worth reading in the text of a `/proc/PID/maps`; `every` adds shared read-only files."""
    parsed = (_parse_region(line) for line in maps.splitlines())
    return [region for region in parsed if _readable(region) and (every or not _public(region))]


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
        for start, end in _runs(region, pagemap_fd):
            hits |= _search(mem_fd, start, end, needles, buffer)
        copies = _copies([(address, needles[at]) for address, at in hits])
        finds += [Find(place, region.kind, n.encoding, n.what, address) for address, n in copies]
    buffer[:] = bytes(len(buffer))
    return finds


def _parse_region(line: str) -> Region:
    span, perms, _offset, _device, inode, *path = line.split(maxsplit=5)
    start, end = (int(part, 16) for part in span.split("-"))
    return Region(start, end, perms, int(inode), path[0] if path else "")


def _readable(region: Region) -> bool:
    return region.perms.startswith("r") and not region.path.startswith(("[vvar", "[vsyscall"))


def _public(region: Region) -> bool:
    """Whether this is a file mapped shared and read-only, such as the weights."""
    return region.shared and region.kind == "file" and "w" not in region.perms


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


def _runs(region: Region, pagemap_fd: int | None) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) parts of a region that are worth reading.

    A page of a shared mapping may exist without standing in this process's table, so those are read whole.
    """
    if pagemap_fd is None or region.shared:
        yield region.start, region.end
        return
    begun = end = region.start
    for start, end, own in _pages(region, pagemap_fd):
        if not own:
            if start > begun:
                yield begun, start
            begun = end
    if end > begun:
        yield begun, end


def _pages(region: Region, pagemap_fd: int) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, whether it exists and is the process's own), page by page or many absent at once."""
    page = region.start // PAGE_BYTES
    last = region.end // PAGE_BYTES
    foreign = _FILE_PAGE if region.kind == "file" else 0
    while page < last:
        raw = os.pread(pagemap_fd, 8 * min(_PAGEMAP_ENTRIES, last - page), 8 * page)
        entries = array("Q", raw)
        if not entries:  # the process is gone
            return
        if not any(entries):
            yield page * PAGE_BYTES, (page + len(entries)) * PAGE_BYTES, False
        else:
            for at, entry in enumerate(entries, page):
                own = bool(entry & _PRESENT_OR_SWAPPED) and not entry & foreign
                yield at * PAGE_BYTES, (at + 1) * PAGE_BYTES, own
        page += len(entries)


def _search(
    fd: int, start: int, end: int, needles: Sequence[Needle], buffer: bytearray
) -> set[tuple[int, int]]:
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
