"""Leave the host's network, with the door already open. In the warden, before its first fork.

Covered: warden, reaper and instances live in a network namespace of their own with nothing in it, not even a
loopback that is up; what the listening socket accepts still comes from outside. An abstract Unix socket of the host
is out of reach as well.
Not covered: Unix sockets with a path, which Landlock and seccomp refuse to an instance; a host that allows neither
root's unshare(2) nor a user namespace, which is said in every receipt.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from noghost.instance.sandbox import PR_SET_DUMPABLE, keep_capabilities, prctl, raise_errno

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


def leave_network() -> bool:
    """Whether this process now has a network namespace of its own. One thread only, and before any is started."""
    if leave_network_as_root():
        return True
    if works_in_a_child(unshare_with_user):
        unshare_with_user()
        return True
    return False


def leave_network_as_root() -> bool:
    """As leave_network, without a trial in a child: for a command that holds a question, which a child would share."""
    try:
        unshare_network()
    except OSError:
        return False
    return True


def unshare_network() -> None:
    """As root; raises OSError."""
    unshare(CLONE_NEWNET)


def unshare_with_user() -> None:
    """As anybody: a user namespace, in which the user stays who it was, and no right of it is kept.

    A namespace's maker has every capability in it, and stops being dumpable, which would keep the reaper from
    tracing: both are undone (user_namespaces(7), prctl(2)). Raises OSError.
    """
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", name).write_text(text)
    keep_capabilities(0)
    prctl(PR_SET_DUMPABLE, 1)


def unshare(flags: int) -> None:
    """unshare(2); raises OSError."""
    if _libc.unshare(flags) != 0:
        raise_errno()


def works_in_a_child(way: Callable[[], None]) -> bool:
    """Try it in a process of its own first: a namespace that was made and cannot be furnished is no place to stay."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            way()
            os.write(writing, b"1")
        finally:
            os._exit(0)
    os.close(writing)
    worked = os.read(reading, 1) == b"1"
    os.close(reading)
    with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: the kernel has reaped it
        os.waitpid(pid, 0)
    return worked
