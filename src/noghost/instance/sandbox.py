"""Confinement as one ordered list. In the instance, after the gate and before the first byte of the request.

Covered here: no inherited descriptor but the connection and the line, no terminal, no core dump, not dumpable, no
new privileges, death with the warden, a deadline that the kernel keeps.
Not covered yet: system calls (seccomp), paths (Landlock), network namespace, memory locking: promise P9, pending.

A step that fails ends the instance.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass

from noghost.errors import HostError

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38  # linux/prctl.h
PR_SET_PTRACER = 0x59616D61  # "Yama"
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the steps need to know."""

    keep: tuple[int, ...]  # descriptors that stay open
    silent: bool  # standard streams go nowhere (a served instance); not so for `noghost ask`
    warden_pid: int
    deadline_s: int


Step = Callable[[Bounds], None]


def die_with_the_warden(bounds: Bounds) -> None:
    """SIGKILL when the warden ends; it may have ended before this call."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != bounds.warden_pid:
        os.kill(os.getpid(), signal.SIGKILL)


def close_descriptors(bounds: Bounds) -> None:
    """Everything that the warden had open, but what belongs to this invocation."""
    low = 3
    for descriptor in sorted(bounds.keep):
        os.closerange(low, descriptor)
        low = max(low, descriptor + 1)
    os.closerange(low, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def silence_streams(bounds: Bounds) -> None:
    """Nothing that native code prints can reach a terminal or a log."""
    if bounds.silent:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.close(nowhere)


def refuse_core(_bounds: Bounds) -> None:
    """No core file; with the next step no core pipe either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def be_undumpable(_bounds: Bounds) -> None:
    """/proc/PID belongs to root from here on, and no tracer can come; the reaper already has its windows."""
    prctl(PR_SET_DUMPABLE, 0)


def refuse_privileges(_bounds: Bounds) -> None:
    """No exec can gain a privilege."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def keep_deadline(bounds: Bounds) -> None:
    """SIGALRM, with its default action, ends an instance even when its own code hangs."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(bounds.deadline_s)


STEPS: tuple[Step, ...] = (
    die_with_the_warden,
    close_descriptors,
    silence_streams,
    refuse_core,
    be_undumpable,
    refuse_privileges,
    keep_deadline,
)


def confine(bounds: Bounds) -> None:
    """Every step in order; raises HostError at the first that fails."""
    for step in STEPS:
        try:
            step(bounds)
        except OSError as failed:
            raise HostError(f"confinement failed at {step.__name__}") from failed


def allow_tracer(pid: int) -> None:
    """Before the gate: under Yama only a parent may trace, unless the tracee names another."""
    with contextlib.suppress(OSError):  # EINVAL where there is no Yama
        prctl(PR_SET_PTRACER, pid)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument; raises OSError."""
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
