"""Which addresses of a process are worth reading.

Read are the pages that the process has (`/proc/PID/pagemap` tells): private ones whether anonymous or of a
file, and shared ones that somebody may write. Not read: pages never touched, pages that still are a file's
own bytes, shared read-only files (the weights), `[vvar]` and `[vsyscall]`.
"""

from __future__ import annotations

import mmap
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

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


def regions_of(maps: str, *, every: bool = False) -> list[Region]:
    """The regions worth reading in the text of a `/proc/PID/maps`; `every` adds shared read-only files."""
    parsed = (_parse_region(line) for line in maps.splitlines())
    return [region for region in parsed if _readable(region) and (every or not _public(region))]


def runs(region: Region, pagemap_fd: int | None) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) parts of a region that are worth reading; all of it without a pagemap.

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


def _parse_region(line: str) -> Region:
    span, perms, _offset, _device, inode, *path = line.split(maxsplit=5)
    start, end = (int(part, 16) for part in span.split("-"))
    return Region(start, end, perms, int(inode), path[0] if path else "")


def _readable(region: Region) -> bool:
    return region.perms.startswith("r") and not region.path.startswith(("[vvar", "[vsyscall"))


def _public(region: Region) -> bool:
    """Whether this is a file mapped shared and read-only, such as the weights."""
    return region.shared and region.kind == "file" and "w" not in region.perms
