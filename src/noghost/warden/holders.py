"""Which process of this host has the other end of a connection. In the warden, while more wait than can be born.

Covered: callers of one user are told apart by their session and process, so that a program that has gone wild takes
the turns of its own requests, and not those of the user's other programs. Of TCP the kernel tells a socket's number
alone: it is looked for among the descriptors of the user's processes (proc_pid_fd(5)), as `ss -p` does. Looking takes
at most a tenth of the time; those who called lately are looked at first.
Not covered: processes that the warden may not look into: another user's, where the service is not root's; all that a
service which is hidden from (`ProtectProc=` of systemd.exec(5), a container) cannot see. Their user's are one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress

from noghost.warden.origin import UNKNOWN, Origin
from noghost.warden.peer import End

PROC = "/proc"
CALLERS_KEPT = 64  # process ids of those who called last
REST = 9  # so many times as long as it looked, it does not look again
SESSION = 3  # its place in proc_pid_stat(5), behind the name


class Holders:
    """Processes that have called lately, the last one first; and when it may be looked for others."""

    def __init__(self, proc: str = PROC) -> None:
        self._proc = proc
        self._callers: dict[int, None] = {}
        self._again_s = 0.0

    def name(self, ends: Collection[End]) -> dict[End, Origin]:
        """Session and process of each end, UNKNOWN where they are not found; nothing while it rests."""
        began_s = time.monotonic()
        if began_s < self._again_s:
            return {}
        found = {end: end.pid for end in ends if end.pid}
        wanted = {link_of(end): end for end in ends if not end.pid}
        for pid in self._candidates({end.user for end in wanted.values()}) if wanted else ():
            for link in wanted.keys() & set(self._links_of(pid)):
                found[wanted.pop(link)] = pid
                self._remember(pid)
            if not wanted:
                break
        took_s = time.monotonic() - began_s
        self._again_s = began_s + took_s + REST * took_s
        return {end: self._path_of(found.get(end, 0)) for end in ends}

    def _candidates(self, users: set[int]) -> Iterator[int]:
        """Those who called lately, then every process of these users."""
        lately = list(reversed(self._callers))
        yield from lately
        with os.scandir(self._proc) as entries:
            for entry in entries:
                if entry.name.isdigit() and int(entry.name) not in lately and user_of(entry) in users:
                    yield int(entry.name)

    def _remember(self, pid: int) -> None:
        self._callers.pop(pid, None)
        self._callers[pid] = None
        if len(self._callers) > CALLERS_KEPT:
            del self._callers[next(iter(self._callers))]

    def _links_of(self, pid: int) -> Iterator[str]:
        """What its descriptors are; nothing of one that is gone, or is not ours to look into."""
        folder = f"{self._proc}/{pid}/fd"
        try:
            names = os.listdir(folder)  # noqa: PTH208  a Path for each descriptor is dear
        except OSError:
            self._callers.pop(pid, None)
            return
        for name in names:
            with suppress(OSError):  # closed meanwhile
                yield os.readlink(f"{folder}/{name}")  # noqa: PTH115

    def _path_of(self, pid: int) -> Origin:
        try:
            with open(f"{self._proc}/{pid}/stat", "rb") as file:  # noqa: PTH123
                session = file.read().rpartition(b")")[2].split()[SESSION]
        except OSError:
            return UNKNOWN
        return b"session " + session, b"process %d" % pid


def link_of(end: End) -> str:
    """How /proc/PID/fd names a socket."""
    return f"socket:[{end.inode}]"


def user_of(process: os.DirEntry[str]) -> int | None:
    """Whose process it is; None of one that is gone."""
    try:
        return process.stat().st_uid
    except OSError:
        return None
