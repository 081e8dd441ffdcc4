"""However an instance's own end and somebody else's kill meet, the exit stop comes: it ends by a SIGKILL of its own.

The meeting is brought about, not waited for. The kernel holds the child at its last system call (user notification of
seccomp), the parent lets it go on and kills it before it runs again: both are on one core, and the child gives way.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import platform
import select
import signal
import socket
import struct
from collections.abc import Callable

import pytest

import bpf
from noghost.instance.exit import leave
from noghost.reaper import trace
from noghost.reaper.refusals import ANSWER, NOTICE, NOTICE_BYTES, RECEIVE, SEND

GO_ON = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
NOTIFY = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
NEW_LISTENER = 8  # SECCOMP_FILTER_FLAG_NEW_LISTENER
LAST = {"x86_64": {"exit_group": 231, "kill": 62}, "aarch64": {"exit_group": 94, "kill": 129}}[platform.machine()]
TRIES = 40
TRACED = b"t"


def exit_by_itself() -> None:
    os._exit(0)


def held(end: socket.socket, last: Callable[[], None]) -> None:
    """In the child: never before anybody else, on one core; then its end, at which the kernel holds it."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    libc = ctypes.CDLL(None, use_errno=True)
    code = struct.pack("=HBBI", 0x20, 0, 0, 0)
    for at, number in enumerate(LAST.values()):
        code += struct.pack("=HBBI", 0x15, len(LAST) - at, 0, number)
    code += struct.pack("=HBBI", 0x06, 0, 0, bpf.ALLOW) + struct.pack("=HBBI", 0x06, 0, 0, NOTIFY)
    program = bpf.Program(len(code) // 8, code)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    listener = libc.syscall(bpf.NUMBERS["seccomp"], 1, NEW_LISTENER, ctypes.byref(program))
    socket.send_fds(end, [b"l"], [listener])
    end.recv(1)
    last()


def meets(last: Callable[[], None]) -> bool:
    """Whether the exit stop came for a child that ends by `last` and is killed in that moment."""
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        held(there, last)
    try:
        listener = socket.recv_fds(here, 1, 1)[1][0]
        trace._ptrace(trace.SEIZE, pid, 0, trace.O_TRACEEXIT | trace.O_EXITKILL)
        here.send(TRACED)
        assert select.select([listener], [], [], 10)[0]
        notice = array.array("B", bytes(NOTICE_BYTES))
        fcntl.ioctl(listener, RECEIVE, notice)
        go_on = ANSWER.pack(NOTICE.unpack_from(notice)[0], 0, 0, GO_ON)
        fcntl.ioctl(listener, SEND, go_on)
        os.kill(pid, signal.SIGKILL)
        os.close(listener)
        return ends_with_a_stop(pid)
    finally:
        here.close()
        there.close()


def ends_with_a_stop(pid: int) -> bool:
    stopped = False
    while True:
        _, status = os.waitpid(pid, trace.WALL)
        if not os.WIFSTOPPED(status):
            return stopped
        stopped |= status >> 16 == trace.EVENT_EXIT
        trace.resume(pid)


@pytest.fixture(autouse=True)
def _one_core() -> object:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_control_an_exit_slips_past_the_reaper() -> None:
    assert not all(meets(exit_by_itself) for _ in range(TRIES))


@pytest.mark.slow
def test_a_sigkill_of_its_own_never_does() -> None:
    assert all(meets(leave) for _ in range(TRIES))
