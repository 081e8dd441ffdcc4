"""What this host's instances are confined by, and a trial of it. In the warden, before anything is loaded.

Covered: every step is tried as an instance would do it, in the same order, in a child that ends at once; what fails
is known by name and reason before the service starts.
Not covered: tracing and wiping, which the warden's probe tries (warden/listen.py). A command that already holds a
question makes no trial, since nobody would wipe that child: there the instance itself says what failed.
"""

from __future__ import annotations

import errno
import os
import re
import resource
from dataclasses import replace

from noghost.config import Limits
from noghost.errors import ConfigError, HostError
from noghost.host import read, swap
from noghost.instance import landlock
from noghost.instance.exit import leave
from noghost.instance.sandbox import CAP_IPC_LOCK, STEPS, Bounds, Fences, cannot
from noghost.instance.seccomp import assemble

COUNTING = "counting"  # of refused calls: a part of seccomp that a container's own listener may be in the way of
NETWORK = "network"  # a namespace that the warden makes for all of its processes (warden/network.py)
WAIVABLE = (*(step.name for step in STEPS if step.waivable), COUNTING, NETWORK)
TRIAL_S = 10
CAP_SYS_RESOURCE = 1 << 24  # linux/capability.h


def make_fences(
    without: tuple[str, ...], *, outward: bool = False, loading: bool = False, voice: bool = False
) -> Fences:
    """What instances are confined by, less what the service does `without`. `outward`: it has remote models; `loading`:
    models on demand; `voice`: processes that hear and speak.

    Raises ConfigError for a name that is no step, HostError where the kernel has no Landlock.
    """
    for name in without:
        if name not in WAIVABLE:
            raise ConfigError(f"there is no step called {name} to do without", f"it can be: {', '.join(WAIVABLE)}")
    try:
        paths = None if "landlock" in without else landlock.refuse_everything()
    except OSError as failed:
        raise cannot("landlock", str(failed.strerror)) from failed
    calls = None
    if "seccomp" not in without:
        calls = assemble(counted=COUNTING not in without, outward=outward, loading=loading, voice=voice)
    return Fences(calls, paths, lock="memlock" not in without and swap() != "none" and may_lock())


def may_lock() -> bool:
    """Whether the limit on locked memory is none, can be lifted, or does not hold for this process."""
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] == resource.RLIM_INFINITY:
        return True
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)$", read("/proc/self/status"), re.MULTILINE)
    return bool(effective and int(effective[1], 16) & (CAP_SYS_RESOURCE | CAP_IPC_LOCK))


def try_fences(fences: Fences) -> None:
    """Raise HostError, with the way out, for the first step that this host refuses."""
    failed = trial(fences)
    if failed is None:
        return
    name, number = failed
    if name == "seccomp" and fences.calls and fences.calls.counted and not trial(uncounted(fences)):
        raise HostError(
            f"this host lets refused system calls not be counted ({os.strerror(number)})",
            f"start with --without {COUNTING}: they are refused all the same, and every receipt will say so",
        )
    raise cannot(name, os.strerror(number))


def uncounted(fences: Fences) -> Fences:
    """The same, without a listener."""
    return replace(fences, calls=assemble(counted=False))


def trial(fences: Fences) -> tuple[str, int] | None:
    """(name, errno) of the first step that fails in a child of this process, if any."""
    reading, writing = os.pipe()
    warden_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            try_steps(
                Bounds((writing,), False, warden_pid, TRIAL_S, Limits().memory_bytes, fences, lambda _listener: None),
                writing,
            )
        finally:
            leave()  # no exit passes the filter
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        name, _, number = told.read().partition(" ")
    if not name:
        raise HostError("the trial of the confinement was ended from outside", "see what ended it, and start again")
    return None if name == "all" else (name, int(number))


def try_steps(bounds: Bounds, writing: int) -> None:
    """In the child: each step, until one fails."""
    for step in STEPS:
        try:
            step.act(bounds)
        except OSError as failed:
            os.write(writing, f"{step.name} {failed.errno or errno.EIO}".encode())
            return
    os.write(writing, b"all")
