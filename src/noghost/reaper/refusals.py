"""Hear of every system call that an instance was refused. In the reaper.

Covered: the kernel holds the calling thread until the reaper has answered, so that no attempt goes uncounted; the
answer is always EPERM. Of what a load of a model tries by itself, as many as one load makes are heard and not counted.
Not covered: calls of another architecture, which kill the instance outright; clone3 and brk (instance/calls.py QUIET).

The listener's ioctls: linux/seccomp.h; the rules: seccomp_unotify(2).
"""

from __future__ import annotations

import errno
import fcntl
import struct
from collections.abc import Sequence
from pathlib import Path

Tries = Sequence[tuple[Sequence[int], int]]  # calls of a kind by their numbers, and how many of it
NOTICE_BYTES = 80  # struct seccomp_notif
NOTICE = struct.Struct("=QIIi")  # its beginning: id, process id, flags, number of the call
ANSWER = struct.Struct("=QqiI")  # struct seccomp_notif_resp: id, value, error, flags
RECEIVE, SEND = 0xC0502100, 0xC0182101  # _IOWR('!', 0, notif), _IOWR('!', 1, notif_resp)


class Expected:
    """What the load of a model will try by itself, of one instance."""

    def __init__(self, tries: Tries = ()) -> None:
        self._kind = {number: kind for kind, (calls, _) in enumerate(tries) for number in calls}
        self._left = [times for _, times in tries]

    def takes(self, number: int) -> bool:
        """Whether this call is one of those, which then is one less."""
        kind = self._kind.get(number)
        if kind is None or not self._left[kind]:
            return False
        self._left[kind] -= 1
        return True


def is_listener(descriptor: int) -> bool:
    """Whether it is one. Who was taken over can send any descriptor, such as one that cannot be polled."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink()) == "anon_inode:seccomp notify"


def refuse_one(listener: int) -> int | None:
    """Refuse the call that waits; its number, or None when its thread has gone meanwhile or the process has ended."""
    notice = bytearray(NOTICE_BYTES)
    try:
        fcntl.ioctl(listener, RECEIVE, notice)
        identity, _, _, number = NOTICE.unpack_from(notice)
        fcntl.ioctl(listener, SEND, ANSWER.pack(identity, 0, -errno.EPERM, 0))
    except FileNotFoundError:
        return None
    return int(number)
