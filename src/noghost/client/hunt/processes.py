"""Which processes and open files belong to a server, read from `/proc`.

Not for content: a process is named by its `comm`, never by its arguments, which may hold a prompt.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from noghost.errors import HuntError

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One line of `/proc/PID/stat`, as far as the hunt needs it."""

    pid: int
    parent: int
    session: int
    state: str
    name: str


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A regular file that a process holds open for writing; `path` opens it even when it was deleted."""

    path: Path
    label: str
    device: int
    inode: int
    changed_s: float


def tree(root: int) -> list[Process]:
    """The live processes under `root`, itself first; when it leads a session, all of that session.

    Raises HuntError when there is no such process, or when searching it would search the hunter.
    """
    everyone = {process.pid: process for process in _processes()}
    if root not in everyone or everyone[root].state in "ZX":
        raise HuntError(f"no such process: {root}", "give the pid of a running server")
    if root in _self_and_ancestors(everyone):
        raise HuntError(
            f"process {root} is the hunter or one of its parents, which know the canary",
            "start the hunter from another shell",
        )
    leads = everyone[root].session == root
    found = [everyone[root]]
    for member in found:
        found += [
            process
            for process in everyone.values()
            if process not in found and (process.parent == member.pid or (leads and process.session == root))
        ]
    own = _self_and_ancestors(everyone)
    return [process for process in found if process.state not in "ZX" and process.pid not in own]


def open_for_writing(pid: int) -> Iterator[OpenFile]:
    """Yield the regular files, memfds and deleted files included, that `pid` can write to."""
    base = _PROC / str(pid)
    try:
        numbers = sorted(int(name) for name in os.listdir(base / "fd"))  # noqa: PTH208  a bare listing is all we need
    except OSError:
        return
    for number in numbers:
        path = base / "fd" / str(number)
        try:
            status = path.stat()
            flags = int((base / "fdinfo" / str(number)).read_text().split("flags:")[1].split()[0], 8)
            label = str(path.readlink())
        except (OSError, IndexError):
            continue  # closed meanwhile
        if stat.S_ISREG(status.st_mode) and flags & os.O_ACCMODE != os.O_RDONLY:
            changed_s = max(status.st_mtime, status.st_ctime)
            yield OpenFile(path, label, status.st_dev, status.st_ino, changed_s)


def mapped_weights(root: int) -> set[Path]:
    """The GGUF files that the processes under `root` have mapped, as far as they can be told and still are there."""
    found: set[Path] = set()
    for process in tree(root):
        with suppress(OSError):  # ended meanwhile
            lines = (_PROC / str(process.pid) / "maps").read_text(errors="replace").splitlines()
            named = {line.split(maxsplit=5)[5] for line in lines if line.endswith(".gguf")}
            found.update(path for path in map(Path, named) if path.is_file())
    return found


def parents() -> dict[int, int]:
    """Every live process and its parent."""
    return {process.pid: process.parent for process in _processes() if process.state not in "ZX"}


def _processes() -> Iterator[Process]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(errors="replace")
            except OSError:
                continue  # ended meanwhile
            name, rest = text.split("(", 1)[1].rsplit(")", 1)
            state, parent, _group, session = rest.split()[:4]
            yield Process(int(entry.name), int(parent), int(session), state, name)


def _self_and_ancestors(everyone: dict[int, Process]) -> set[int]:
    chain: set[int] = set()
    pid = os.getpid()
    while pid in everyone and pid not in chain:
        chain.add(pid)
        pid = everyone[pid].parent
    return chain
