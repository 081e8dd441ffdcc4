"""Run one of our own modules in a process of its own, and hear one word from it. In the warden, before any birth.

The child is a program of its own and not a fork: it inherits nothing that was asked, and what it does to itself, or
starts in threads, ends with it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from noghost.errors import NoghostError

MOST_WORD_BYTES = 4096
SUCCESS = b"done"


def run(module: str, arguments: Sequence[str], descriptors: Sequence[int] = ()) -> tuple[bytes, int]:
    """Run `python -m module WORD_FD arguments…` to its end, with `descriptors` open in it; (its word, wait status)."""
    ear, mouth = os.pipe()
    for descriptor in (mouth, *descriptors):
        os.set_inheritable(descriptor, True)
    known = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a warden ignores it, and then no child leaves a status
    try:
        command = [sys.executable, "-m", module, str(mouth), *arguments]
        pid = os.posix_spawn(sys.executable, command, os.environ)
        os.close(mouth)
        with open(ear, "rb") as listener:  # noqa: PTH123  a descriptor, not a path
            word = listener.read(MOST_WORD_BYTES)
        status = os.waitpid(pid, 0)[1]
    finally:
        signal.signal(signal.SIGCHLD, known)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
    return word, status


def work(mouth: int, do: Callable[[], None]) -> None:
    """In the child: do it, say so or what is wrong, and end. Whatever native code prints goes nowhere."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    try:
        do()
        word = SUCCESS
    except NoghostError as error:
        word = error.message.encode()[:MOST_WORD_BYTES]
    os.write(mouth, word)
    os._exit(0)


def ending(status: int, path: Path) -> str:
    """What became of a child that loaded the model `path` and could not say it itself."""
    if not os.WIFSIGNALED(status):
        return f"could not use the model {path}: llama.cpp ended the process that loaded it"
    return f"could not use the model {path}: llama.cpp crashed on it ({signal.Signals(os.WTERMSIG(status)).name})"
