"""Do something in a process that is wiped at its end, and get back an answer that holds no content.

For what a command has to know and must not leave behind: the hunter's own copies of a canary. The child is traced
and wiped like an instance; the command itself never held what it knew.

Covered: every own page of the child is zeroed and verified before the kernel takes it.
Not covered: kernel buffers of what it said to a server; a host that refuses ptrace, which is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from noghost.errors import HostError, HuntError, NoghostError, WipeError
from noghost.instance.memory import keep_malloc_pages, keep_python_arenas
from noghost.instance.sandbox import allow_tracer
from noghost.reaper import trace
from noghost.reaper.wipe import wipe

NOT_WIPED = "the hunter's own copies could not be wiped on this host; they end with its process"


def apart(work: Callable[[], str]) -> tuple[str, str]:
    """(what `work` returned in a child, a warning or ""). HuntError where `work` raised an error of ours or died.

    `work` must return, and its errors must say, nothing that is content.
    """
    answer = os.memfd_create("noghost-answer", os.MFD_CLOEXEC)  # no pipe: the parent follows the child meanwhile
    gate, opener = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(opener)
        os._exit(be_apart(work, answer, gate))
    os.close(gate)
    windows = None
    with suppress(HostError, OSError):
        windows = trace.attach(pid)
    os.close(opener)
    warning = "" if wiped_at_end(pid, windows) else NOT_WIPED
    os.lseek(answer, 0, os.SEEK_SET)
    with os.fdopen(answer, encoding="utf-8") as file:
        kind, _, told = file.read().partition("\n")
    if kind != "answer":
        message, _, hint = told.partition("\n")
        raise HuntError(message or "the hunting process died", hint or "see what ended it, and hunt again")
    return told, warning


def be_apart(work: Callable[[], str], answer: int, gate: int) -> int:
    """In the child: wait until the parent traces, work, tell, end."""
    allow_tracer(os.getppid())
    keep_malloc_pages()
    keep_python_arenas()
    os.read(gate, 1)
    try:
        told = "answer\n" + work()
    except NoghostError as error:
        told = f"error\n{error.message}\n{error.hint}"
    except BaseException as error:  # noqa: BLE001  its message may hold content
        told = f"error\nthe hunt failed: {type(error).__name__}\n"
    data = told.encode()
    while data:
        data = data[os.write(answer, data) :]
    return 0


def wiped_at_end(pid: int, windows: trace.Windows | None) -> bool:
    """Follow the child to its end; whether it was traced and every own page was seen to be zero."""
    clean = False
    while True:
        _, status = os.waitpid(pid, trace.WALL)
        if not os.WIFSTOPPED(status):
            if windows:
                windows.close()
            return clean
        if windows and status >> 16 == trace.EVENT_EXIT:
            with suppress(WipeError, OSError):
                trace.settle(windows)
                wipe(windows)
                clean = True
            trace.resume(pid)
        else:
            trace.resume(pid, 0 if status >> 16 else os.WSTOPSIG(status))
