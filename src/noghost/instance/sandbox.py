"""Confinement as one ordered list. In the instance, after the gate and before the first byte of the request.

Covered: no inherited descriptor but the connection and what serves it, no terminal, no core dump, not dumpable, no
privilege and no new one, death with the warden, a deadline and a bound of memory that the kernel keeps, no path, no
system call beyond the list of calls.py; memory that is not swapped out, where the host lets it be locked.
Not covered: what the allowed calls can do with the open descriptors; the hardware's side channels.

A step that fails ends the instance. Whether the host can do them all is tried at start (fitness.py): a step that is
marked so can be given up by configuration, and every receipt then says it. Memory is locked only where it can be
swapped out and the process may lock it; every receipt says whether.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from noghost.errors import HostError
from noghost.instance import landlock
from noghost.instance.seccomp import Filter

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38  # linux/prctl.h
PR_SET_PTRACER = 0x59616D61  # "Yama"
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # asm-generic/mman.h
CAPABILITIES_V3, CAP_IPC_LOCK = 0x20080522, 1 << 14  # linux/capability.h
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Fences:
    """What the warden makes ready for every instance; None: this service does without."""

    calls: Filter | None
    paths: int | None  # descriptor of an empty Landlock ruleset
    lock: bool  # memory is kept from being swapped out


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the steps need to know."""

    keep: tuple[int, ...]  # descriptors that stay open
    silent: bool  # standard streams go nowhere (a served instance); not so for `noghost ask`
    warden_pid: int
    deadline_s: int
    memory_bytes: int  # that may be mapped beyond what is
    fences: Fences
    hand_over: Callable[[int], None]  # takes the listener for refused calls to the reaper


def die_with_the_warden(bounds: Bounds) -> None:
    """SIGKILL when the warden ends; it may have ended before this call."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != bounds.warden_pid:
        os.kill(os.getpid(), signal.SIGKILL)


def close_descriptors(bounds: Bounds) -> None:
    """Everything that the warden had open, but what belongs to this invocation."""
    keep = bounds.keep if bounds.fences.paths is None else (*bounds.keep, bounds.fences.paths)
    low = 3
    for descriptor in sorted(keep):
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


def refuse_more_memory(bounds: Bounds) -> None:
    """An instance that takes without end fails by itself, before the host runs out and the kernel picks a victim."""
    mapped_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()  # proc_pid_statm(5)
    most_bytes = mapped_bytes + bounds.memory_bytes
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        most_bytes = min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))


def lock_memory(bounds: Bounds) -> None:
    """Every page that is touched from here on stays in memory."""
    if not bounds.fences.lock:
        return
    with contextlib.suppress(ValueError):  # not allowed to: then CAP_IPC_LOCK is what lets it
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if _libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0:
        raise_errno()


def drop_capabilities(bounds: Bounds) -> None:
    """Root's rights too: what is left is a user id. With locked memory the right to lock is kept, if there is one:
    without it every further mapping would count against the limit."""
    keep_capabilities(CAP_IPC_LOCK if bounds.fences.lock else 0)


def keep_deadline(bounds: Bounds) -> None:
    """SIGALRM, with its default action, ends an instance even when its own code hangs."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(bounds.deadline_s)


def refuse_paths(bounds: Bounds) -> None:
    """Landlock: no path can be opened, whoever asks."""
    if bounds.fences.paths is not None:
        landlock.restrict_self(bounds.fences.paths)
        os.close(bounds.fences.paths)


def refuse_calls(bounds: Bounds) -> None:
    """seccomp: no system call beyond the list. The last step, since it refuses most of the others."""
    if bounds.fences.calls is not None:
        listener = bounds.fences.calls.install()
        if listener >= 0:
            bounds.hand_over(listener)
            os.close(listener)


@dataclass(frozen=True, slots=True)
class Step:
    """One step, by the name that settings and receipts use. `waivable`: a service can be told to do without."""

    name: str
    act: Callable[[Bounds], None]
    waivable: bool = False


STEPS: tuple[Step, ...] = (
    Step("pdeathsig", die_with_the_warden),
    Step("descriptors", close_descriptors),
    Step("streams", silence_streams),
    Step("core", refuse_core),
    Step("undumpable", be_undumpable),
    Step("no-new-privileges", refuse_privileges),
    Step("memory", refuse_more_memory),
    Step("memlock", lock_memory, waivable=True),
    Step("capabilities", drop_capabilities),
    Step("deadline", keep_deadline),
    Step("landlock", refuse_paths, waivable=True),
    Step("seccomp", refuse_calls, waivable=True),
)


def confine(bounds: Bounds) -> None:
    """Every step in order; raises HostError at the first that fails."""
    for step in STEPS:
        try:
            step.act(bounds)
        except OSError as failed:
            raise cannot(step.name, str(failed.strerror)) from failed


def cannot(name: str, reason: str) -> HostError:
    """The error for a step that this host refuses."""
    waivable = any(step.name == name and step.waivable for step in STEPS)
    way_out = f", or start with --without {name}: every receipt will then say so" if waivable else ""
    return HostError(
        f"this host cannot confine an instance: {name} failed ({reason})", f"see `noghost doctor`{way_out}"
    )


def allow_tracer(pid: int) -> None:
    """Before the gate: under Yama only a parent may trace, unless the tracee names another."""
    with contextlib.suppress(OSError):  # EINVAL where there is no Yama
        prctl(PR_SET_PTRACER, pid)


def keep_capabilities(wanted: int) -> None:
    """Of this process's capabilities keep those of `wanted` (below bit 32), drop the others; raises OSError."""
    header = struct.pack("=Ii", CAPABILITIES_V3, 0)
    held = ctypes.create_string_buffer(24)  # two of struct __user_cap_data_struct
    if _libc.capget(header, held) != 0:
        raise_errno()
    kept = struct.unpack_from("=I", held, 4)[0] & wanted
    if _libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)) != 0:
        raise_errno()


def give_up_rights() -> None:
    """No core dump, no privilege, no new one: names and connections are asked for as anybody does.

    In what is no instance and has the network: connector and exporter, first thing.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    keep_capabilities(0)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument; raises OSError."""
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise_errno()


def raise_errno() -> None:
    """The OSError of the C library's last call."""
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
