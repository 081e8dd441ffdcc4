"""The warden: accept, fork, forget. In the warden, for as long as the service runs.

Covered: one connection, one process; the warden never reads a byte of an accepted socket, and wakes up only for a
knock, an end or a signal.
Not covered: what the kernel queues for a connection before an instance reads it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from types import FrameType

from noghost.errors import HOW_TO_TRACE, HostError
from noghost.log import Event, log
from noghost.messages import MAX_BYTES, Gone, Wipe, unpack
from noghost.warden.births import Nursery, bear

GRACE_S = 10.0  # for running invocations, after the first SIGTERM or SIGINT
OUT_OF_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN}


class Warden:
    """One per service."""

    def __init__(self, listener: socket.socket, nursery: Nursery, *, most_instances: int) -> None:
        self._listener = listener
        self._nursery = nursery
        self._most_instances = most_instances
        self._alive: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._listening = False

    def run(self) -> None:
        """Until a signal asks to stop and every instance has ended; raises HostError when the reaper is gone."""
        bell = self._hang_bell()
        self._selector.register(self._nursery.births, selectors.EVENT_READ, self._on_gone)
        self._selector.register(bell, selectors.EVENT_READ, self._on_bell)
        self._set_listening(True)
        deadline: float | None = None
        while not self._stopping or self._alive:
            if self._stopping and deadline is None:
                deadline = time.monotonic() + GRACE_S
            for key, _ in self._selector.select(deadline and max(0.0, deadline - time.monotonic())):
                key.data(key.fileobj)
            if deadline is not None and time.monotonic() >= deadline:
                self._kill_all()
                deadline = time.monotonic() + GRACE_S

    def _hang_bell(self) -> socket.socket:
        """A socket that becomes readable on SIGTERM and SIGINT. SIGCHLD is ignored: the kernel reaps."""
        here, self._bell_end = socket.socketpair()
        here.setblocking(False)
        self._bell_end.setblocking(False)
        signal.set_wakeup_fd(self._bell_end.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        return here

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """The first asks to stop, the second ends what still runs."""
        if self._stopping:
            self._kill_all()
        self._stopping = True

    def _on_bell(self, bell: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            bell.recv(4096)
        if self._stopping and self._listening:
            self._set_listening(False)
            self._listener.close()

    def _set_listening(self, wanted: bool) -> None:
        if wanted and not self._listening and not self._stopping:
            self._selector.register(self._listener, selectors.EVENT_READ, self._on_knock)
        elif not wanted and self._listening:
            self._selector.unregister(self._listener)
        self._listening = wanted and not self._stopping

    def _on_knock(self, listener: socket.socket) -> None:
        """Accept one connection and fork its instance; when the host is short of something, wait for an end."""
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError as short:
            if short.errno not in OUT_OF_DESCRIPTORS:
                raise
            self._set_listening(False)
            return
        try:
            self._alive.add(bear(connection, self._nursery))
        except OSError as short:
            connection.close()
            if short.errno not in OUT_OF_DESCRIPTORS:
                raise
        if len(self._alive) >= self._most_instances:
            self._set_listening(False)

    def _on_gone(self, births: socket.socket) -> None:
        data = births.recv(MAX_BYTES)
        if not data:
            log(Event.REAPER_GONE)
            self._kill_all()
            raise HostError("the reaper has ended", "see what ended it (out of memory, kill), and start again")
        self._alive.discard(unpack(data, Gone).pid)
        self._set_listening(True)

    def _kill_all(self) -> None:
        for pid in self._alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def probe(nursery: Nursery) -> Gone:
    """At start: bear one instance that does nothing and ends, and see it traced, wiped and verified.

    Raises HostError with the way out when this host cannot do it.
    """
    bear(None, nursery)
    data = nursery.births.recv(MAX_BYTES)
    if not data:
        raise HostError("the reaper ended while the service started", "see its message above")
    gone = unpack(data, Gone)
    if gone.wipe == Wipe.UNSEEN:
        raise HostError("the reaper cannot trace an instance on this host", HOW_TO_TRACE)
    if gone.wipe == Wipe.FAILED:
        raise HostError("the reaper cannot zero an instance's memory on this host", HOW_TO_WRITE)
    return gone


HOW_TO_WRITE = (
    "allow a tracer to write /proc/PID/mem (boot without proc_mem.force_override=never), or start with --unverified: "
    "every receipt will then say so"
)
