"""What the warden of `noghost ask` does for itself: it is its own caller, and holds the question too.

Covered: the command's own process is traced before its instance is born, which alone reads, and wiped at its end like
an instance.
Not covered: a command that is traced and whose reaper is killed.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from noghost.errors import HostError
from noghost.instance.sandbox import allow_tracer
from noghost.messages import MAX_BYTES, Birth, Gone, Heard, pack, unpack


def be_traced(births: socket.socket, reaper_pid: int) -> socket.socket:
    """Have this very process traced, so that what it holds of the question is wiped when it ends.

    Returns its line, to be kept open; it is traced once the gate of that is open.
    """
    allow_tracer(reaper_pid)
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with suppress(BrokenPipeError):
        socket.send_fds(births, [pack(Birth(os.getpid()))], [here.fileno()])
    here.close()
    return there


def wait_until_gone(births: socket.socket, pid: int) -> Gone:
    """Until the reaper has wiped, verified and let go the instance. Ctrl-C goes to the instance as well."""
    while True:
        try:
            data = births.recv(MAX_BYTES)
        except KeyboardInterrupt:
            continue
        if not data:
            raise HostError("the reaper has ended while it was answering", "see what ended it, and ask again")
        word = unpack(data, Gone, Heard)
        if isinstance(word, Gone) and word.pid == pid:
            return word
