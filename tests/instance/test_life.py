"""An instance that cannot be equipped says nothing, whatever its finalisers raise."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from typing import NoReturn

from noghost.config import Limits
from noghost.instance.fitness import make_fences
from noghost.instance.life import Equipped, live
from noghost.instance.newborn import Newborn
from noghost.messages import MAX_BYTES, Answer, Ended, Gate, Outcome, pack, unpack


class NeverWhole:
    """As asyncio's event loop, when there is no descriptor left for it."""

    def __init__(self) -> None:
        raise OSError("no descriptor left")

    def __del__(self) -> None:
        raise AttributeError("what was never made")


def equip(_newborn: Newborn) -> Equipped:
    NeverWhole()
    raise AssertionError("not reached")


def test_what_a_finaliser_raises_is_not_printed() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.send(pack(Gate(Answer.YES)))
    with tempfile.TemporaryFile() as said, here, there:
        pid = os.fork()
        if pid == 0:
            be_born(there, said.fileno())
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        assert unpack(here.recv(MAX_BYTES), Ended).outcome == Outcome.CRASHED
        said.seek(0)
        assert said.read() == b""


def be_born(line: socket.socket, stderr: int) -> NoReturn:
    """In the child, without what pytest has put between."""
    sys.stderr, sys.unraisablehook = os.fdopen(os.dup(stderr), "w", buffering=1), sys.__unraisablehook__
    newborn = Newborn(None, line, os.getppid(), os.getppid())
    live(newborn, equip, limits=Limits(), silent=True, fences=make_fences(()))
