"""A life in small: a child writes one page and ends; a sibling traces it, as the reaper does, and looks.

Two processes, so that Yama is asked what it will be asked in the service: may a sibling trace, when it was named?
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from noghost.doctor.child import LIMIT_S, Tried, end, in_child
from noghost.errors import HostError, WipeError
from noghost.reaper.trace import EVENT_EXIT, WALL, Windows, attach, resume
from noghost.reaper.wipe import own_runs, wipe

PR_SET_DUMPABLE, PR_SET_PTRACER = 4, 0x59616D61  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Pages:
    """Two pages that both processes know the address of: the child writes the first and leaves the second alone."""

    written: mmap.mmap
    left: mmap.mmap


Look = Callable[[Windows, Pages], int]


def a_life(look: Look) -> Tried:
    """Bear a child, have it traced, and let `look` see it in its exit stop."""
    pages = Pages(private_page(), private_page())
    line, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        line.close()
        live(pages, far)
    far.close()
    line.settimeout(LIMIT_S)
    try:
        return in_child(lambda: watch(pid, pages, line, look))
    finally:
        line.close()
        end(pid)


def live(pages: Pages, line: socket.socket) -> NoReturn:
    """In the child: name the tracer, wait for it, become as closed as an instance, write, end."""
    try:
        tracer_pid = int(line.recv(32))
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PTRACER, ctypes.c_ulong(tracer_pid), 0, 0, 0)  # EINVAL where there is no Yama
        line.send(b"named")
        if line.recv(32):
            libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
            pages.written[:] = b"\xa5" * mmap.PAGESIZE
    finally:
        os._exit(0)


def watch(pid: int, pages: Pages, line: socket.socket, look: Look) -> int:
    """In the sibling: trace, let go on, see the end."""
    line.send(b"%d" % os.getpid())
    line.recv(32)
    windows = attach(pid)
    line.send(b"go")
    wait_for_exit_stop(pid)
    answer = look(windows, pages)
    resume(pid)
    return answer


def wait_for_exit_stop(pid: int) -> None:
    """Until PTRACE_EVENT_EXIT."""
    while True:
        _, status = os.waitpid(pid, WALL)
        if not os.WIFSTOPPED(status):
            raise HostError("it ended without being stopped")
        if status >> 16 == EVENT_EXIT:
            return
        resume(pid)


def see_end(_windows: Windows, _pages: Pages) -> int:
    """It was stopped in its exit: that is all."""
    return 1


def see_own_pages(windows: Windows, pages: Pages) -> int:
    """The page map tells the page that it wrote from the one that it shares; the bytes of its own pages."""
    runs = list(own_runs(windows))
    if not is_in(runs, pages.written) or is_in(runs, pages.left):
        raise WipeError("the page map does not tell a process's own pages")
    return sum(length for _, length in runs)


def zero_pages(windows: Windows, _pages: Pages) -> int:
    """Zero all of them, code and read-only ones included, and read them back; the bytes."""
    return wipe(windows).verified_bytes


def private_page() -> mmap.mmap:
    """One page that is there, and that a forked child shares until one of the two writes."""
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    page[:] = b"\x5a" * mmap.PAGESIZE
    return page


def is_in(runs: list[tuple[int, int]], page: mmap.mmap) -> bool:
    """Whether a page is in one of the runs of (address, length in bytes)."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return any(start <= address < start + length for start, length in runs)
