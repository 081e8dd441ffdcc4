"""The doorkeeper: holds the listening socket in deep idle and starts a service at the next knock. A process of its own.

It is started by warden/activation.py in a bare interpreter (`-I -S`), and hands the socket over by the protocol of
sd_listen_fds(3).

Covered: it never accepts and never reads: whether somebody waits, poll(2) says; it does not even import `socket`. It
holds no weights, no key and no content. A service that fails is not started again before a pause that grows.
Not covered: who knocks while no service can be started waits in the kernel's queue, unanswered, until one can or the
caller gives up; what was already running in a service that was killed (the reaper's affair).
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from noghost.log import Event, log
from noghost.title import take_title

FIRST = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)
LONGEST_PAUSE_S = 60
LONG_LIFE_S = 60.0  # a service that lived so long did not fail because of its start
ENDS = (signal.SIGTERM, signal.SIGINT)
HEARD = (*ENDS, signal.SIGCHLD, signal.SIGUSR1)


class Doorkeeper:
    """Holds `listener`, a descriptor; runs `command` whenever it is readable and nobody else listens."""

    def __init__(self, listener: int, command: list[str]) -> None:
        self._listener = listener
        self._command = command
        self._service = 0  # its process id; 0 in deep idle
        self._ready = False  # this service has said that it answers
        self._ever_ready = False
        self._stopping = False
        self._failures = 0  # one after another
        self._bell, self._bell_end = os.pipe()
        for descriptor in (self._bell, self._bell_end):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._bell_end, warn_on_full_buffer=False)
        for number in HEARD:
            signal.signal(number, self._on_signal)

    def run(self) -> int:
        """Exit status. The first service starts at once, so that what keeps it from starting is seen at once."""
        status = self._serve()
        while not self._stopping:
            if status and not self._ever_ready:
                return status
            self._pause(status)
            if not self._stopping and self._wait(knock=True):
                status = self._serve()
        return status

    def _serve(self) -> int:
        """One service, from its start to its end; its exit status, 128 and more for a signal."""
        began_s = time.monotonic()
        self._ready = False
        self._start()
        while (ended := os.waitpid(self._service, os.WNOHANG))[0] == 0:
            self._wait(knock=False)
        self._service = 0
        if time.monotonic() - began_s >= LONG_LIFE_S:
            self._failures = 0
        code = os.waitstatus_to_exitcode(ended[1])
        if code == 0 and not self._ready and not self._stopping:
            return 1  # it went without a word: as good as failed, and never to be tried without a pause
        return code if code >= 0 else 128 - code

    def _start(self) -> None:
        """Fork and execute. Signals wait meanwhile: one that came between the two would be nobody's."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        self._service = os.fork()
        if self._service == 0:
            try:
                be_the_service(self._listener, self._command)
            finally:
                os._exit(127)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)

    def _wait(self, *, knock: bool, seconds: float | None = None) -> bool:
        """Until a signal, a knock where it is waited for, or the time is over; whether somebody knocks."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if knock:
            poll.register(self._listener, select.POLLIN)
        ready = dict(poll.poll(None if seconds is None else 1000 * seconds))
        with suppress(BlockingIOError):
            os.read(self._bell, 4096)  # the numbers of signals
        return self._listener in ready

    def _pause(self, status: int) -> None:
        """After a failure, so that a service which fails at every knock does not fail all the time."""
        if not status:
            self._failures = 0
            return
        seconds = min(2**self._failures, LONGEST_PAUSE_S)
        self._failures += 1
        log(Event.SERVICE_FAILED, status=status, pause_s=seconds)
        until_s = time.monotonic() + seconds
        while not self._stopping and (rest_s := until_s - time.monotonic()) > 0:
            self._wait(knock=False, seconds=rest_s)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in ENDS:
            self._stopping = True
            if self._service:
                with suppress(ProcessLookupError):
                    os.kill(self._service, signal.SIGTERM)
        elif number == signal.SIGUSR1:
            self._ready = self._ever_ready = True


def be_the_service(listener: int, command: list[str]) -> NoReturn:
    """In the child: the socket as descriptor 3, signals as they were; a group of its own, since Ctrl-C at a terminal
    is for the doorkeeper, which passes it on once."""
    signal.set_wakeup_fd(-1)
    for number in HEARD:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
    os.setpgid(0, 0)
    if listener == FIRST:
        os.set_inheritable(FIRST, True)
    else:
        os.dup2(listener, FIRST)
    words = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "NOGHOST_DOOR": str(os.getppid())}
    os.execve(command[0], command, os.environ | words)  # noqa: S606  how this service was started before


def forget_path(path: str, inode: int) -> None:
    """Take away a Unix socket's file, if it is still the one that was opened."""
    with suppress(FileNotFoundError):
        if path and Path(path).lstat().st_ino == inode:
            Path(path).unlink()


def main() -> None:
    """Arguments: the listening descriptor, a Unix socket's path and inode or nothing, the service's command."""
    listener, path, inode, command = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    os.set_inheritable(listener, False)
    take_title("noghost: door")
    try:
        status = Doorkeeper(listener, command).run()
    finally:
        forget_path(path, inode)
    sys.exit(status)
