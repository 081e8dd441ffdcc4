"""ptrace: see an instance's end before its memory goes. In the reaper, from an instance's gate to its end.

Covered: every fatal signal, `kill -9` above all, stops the main thread in PTRACE_EVENT_EXIT with the address space
still there; PTRACE_O_EXITKILL takes the instances along when the reaper dies. `_exit` stops there too, but for one
that is killed in the same microsecond: so an instance ends by a signal (instance/exit.py).
Not covered: the kernel's own out-of-memory reaper, which may free pages of a process it has chosen before that
stop; a host where ptrace is refused (the service then does not start).

Source of the constants: linux/ptrace.h; of the rules: ptrace(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import time
from dataclasses import dataclass

from noghost.errors import HostError, WipeError

SEIZE, CONT, LISTEN = 0x4206, 7, 0x4208
O_TRACEEXIT, O_EXITKILL = 0x40, 0x100000
EVENT_EXIT, EVENT_STOP = 6, 128
WALL = 0x40000000
SETTLE_S = 2.0  # how long other threads of an ending instance may take to go
SETTLE_STEP_S = 0.0002
THREADS = re.compile(rb"^Threads:\t(\d+)$", re.MULTILINE)
GROUP_STOPS = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@dataclass(frozen=True, slots=True)
class Windows:
    """Descriptors into one traced process, opened at birth: permission is checked when they are opened,
    so they go on working after the instance has made itself undumpable."""

    pid: int
    mem: int
    maps: int
    pagemap: int
    state: int

    def threads(self) -> int:
        """Threads that still exist. Opens nothing: a reaper that is short of descriptors wipes all the same."""
        found = THREADS.search(os.pread(self.state, 4096, 0))
        if found is None:
            raise ProcessLookupError(f"process {self.pid} does not say its threads")
        return int(found[1])

    def close(self) -> None:
        """Close all four."""
        for descriptor in (self.mem, self.maps, self.pagemap, self.state):
            os.close(descriptor)


def attach(pid: int) -> Windows:
    """Seize `pid` and open its windows; raises HostError when the host refuses, ProcessLookupError when gone."""
    try:
        _ptrace(SEIZE, pid, 0, O_TRACEEXIT | O_EXITKILL)
        return open_windows(pid)
    except PermissionError as refused:
        raise HostError(f"the reaper may not trace an instance ({refused.strerror})") from refused


def open_windows(pid: int) -> Windows:
    """Open /proc/PID/mem, maps, pagemap and status."""
    opened: list[int] = []
    try:
        for name, flags in (
            ("mem", os.O_RDWR),
            ("maps", os.O_RDONLY),
            ("pagemap", os.O_RDONLY),
            ("status", os.O_RDONLY),
        ):
            opened.append(os.open(f"/proc/{pid}/{name}", flags | os.O_CLOEXEC))
    except FileNotFoundError as gone:
        _close_all(opened)
        raise ProcessLookupError(str(gone)) from gone
    except OSError:
        _close_all(opened)
        raise
    return Windows(pid, *opened)


def settle(windows: Windows) -> None:
    """Wait until the main thread is the last: others, on their way out, could still write. Raises WipeError."""
    deadline = time.monotonic() + SETTLE_S
    while windows.threads() > 1:
        if time.monotonic() > deadline:
            raise WipeError(f"threads of an ending instance were still there after {SETTLE_S} s")
        time.sleep(SETTLE_STEP_S)


def resume(pid: int, number: int = 0) -> None:
    """Let a stopped tracee go on, delivering signal `number` if it is not 0; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError):
        _ptrace(CONT, pid, 0, number)


def stay_stopped(pid: int) -> None:
    """Leave a tracee in its group stop (SIGSTOP, Ctrl-Z) until SIGCONT."""
    with contextlib.suppress(ProcessLookupError):
        _ptrace(LISTEN, pid)


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
