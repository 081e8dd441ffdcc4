"""Search files: shared memory, files changed since the hunt began, files a process can still write.

File names are searched too. Never opened: FIFOs, sockets, devices and symbolic links.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from noghost.client.hunt.needle import Needle
from noghost.client.hunt.processes import OpenFile
from noghost.client.hunt.regions import Region
from noghost.client.hunt.scan import Find, count_in_fd
from noghost.errors import HuntError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  searched, nothing is made there
# Timestamps are as coarse as the kernel's tick, and on some file systems a second.
_COARSE_S = 1.0


def count_in_file(path: Path, needles: Sequence[Needle], *, place: str = "", follow: bool = False) -> list[Find]:
    """Count copies in one regular file and in its name; what is not a readable file holds none.

    `follow` opens a link of `/proc/PID/fd`. A file whose name matches is not named in the result.
    """
    name = os.fsencode(path.name)
    named = [needle for needle in needles if needle.raw in name]
    place = f"{path.parent}/(name withheld)" if named else place or str(path)
    finds = [Find(place, "file name", needle.encoding, needle.what, 0) for needle in named[:1]]
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    except OSError:
        return finds
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_size:
            whole = Region(0, status.st_size, "r--s", status.st_ino, str(path))
            finds += count_in_fd(fd, [whole], needles, place=place)
    finally:
        os.close(fd)
    return finds


def changed_since(folder: Path, since_s: float) -> Iterator[Path]:
    """Yield the regular files under `folder` that were written, made or renamed since `since_s` (epoch).

    Raises HuntError when the folder is not there.
    """
    if not folder.is_dir():
        raise HuntError(f"no such folder: {folder}", "name a folder that the server writes to")
    for parent, _folders, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            status = _status(path)
            if status and max(status.st_mtime, status.st_ctime) >= since_s - _COARSE_S:
                yield path


def in_shared_memory() -> Iterator[Path]:
    """Yield every regular file under /dev/shm; writing through a mapping leaves its times as they were."""
    if SHARED_MEMORY.is_dir():
        yield from changed_since(SHARED_MEMORY, 0)


def may_hold_news(file: OpenFile, since_s: float) -> bool:
    """Whether an open file changed, or is of a kind whose times do not tell (memory, deleted)."""
    timeless = file.label.startswith(("/memfd:", f"{SHARED_MEMORY}/")) or file.label.endswith(" (deleted)")
    return timeless or file.changed_s >= since_s - _COARSE_S


def _status(path: Path) -> os.stat_result | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None
