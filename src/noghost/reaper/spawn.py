"""Start a reaper as a program of its own, before anybody knows its duty. In the command that asks.

For a command that has already read what it was asked: a fork would inherit that, and nobody wipes the reaper. It
imports while the command does; on two cores that takes 0.1 s off the way to the first token.

Covered: nothing of the question is in its arguments or its duty. What is inherited is the environment.
Not covered: the ends of the command before it has given a duty; the reaper then ends without a word.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from noghost.title import take_title

if TYPE_CHECKING:  # what the reaper does is the reaper's to import: the command starts it first of all
    from noghost.reaper.duty import Duty

PROGRAM = "import gc; gc.disable(); from noghost.reaper.role import main; main()"  # collecting would take 5 ms of it
SOCKET_BUFFER_BYTES = 1 << 20  # room for a Birth and a Gone of every instance that may be alive
OUTLIVED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # they are meant for others, which it ends after


@dataclass(frozen=True, slots=True)
class Spawned:
    """A reaper that waits for its duty."""

    births: socket.socket  # the warden's end of their socket
    pid: int
    duty: int  # a pipe; it goes with the duty

    def charge(self, duty: Duty) -> None:
        """Give it the duty, once. The real wipe only."""
        with os.fdopen(self.duty, "w", encoding="utf-8") as pipe:
            json.dump(asdict(duty) | {"ledger": str(duty.ledger)}, pipe)


def spawn_reaper() -> Spawned:
    """Start it."""
    here, there = connected()
    reading, writing = os.pipe()
    arguments = [sys.executable, "-c", PROGRAM, str(there.fileno()), str(reading)]
    for descriptor in (there.fileno(), reading):
        os.set_inheritable(descriptor, True)
    pid = os.posix_spawn(sys.executable, arguments, os.environ, setsigmask=OUTLIVED)
    there.close()
    os.close(reading)
    return Spawned(here, pid, writing)


def outlive() -> None:
    """In the reaper, first of all: it has a title of its own, and signals that end others do not end it."""
    take_title("noghost: reaper")
    for number in OUTLIVED:
        signal.signal(number, signal.SIG_IGN)


def connected() -> tuple[socket.socket, socket.socket]:
    """The two ends between warden and reaper."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    return ends
