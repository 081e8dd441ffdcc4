"""Callers who mean no good, many in one process that itself takes little: raw sockets, one selector.

    python bench/attackers.py KIND COUNT PORT [UID]

Runs until its standard input ends, then prints what it got as one line of JSON. UID is the user to be: as root alone.

    silent    connect and say nothing
    slow      a header that never ends, a byte a second
    storm     GET /healthz, read the answer, again at once
    larger    the same with a header as long as a browser's
    varied    the same, each with a header of another length
    forks     the same, each request of a process of its own, all of one session
    leave     connect and leave without a word, again at once
    readers   GET /docs, which is over a megabyte, and read nothing
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import selectors
import signal
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
SAYS = {
    "silent": b"",
    "slow": HEALTH + b"x-slow: " + b"a" * 8000,
    "storm": HEALTH + b"\r\n",
    "larger": HEALTH + b"user-agent: " + b"a" * 400 + b"\r\n\r\n",
    "varied": b"",  # made anew for each
    "leave": b"",
    "readers": b"GET /docs HTTP/1.1\r\nhost: localhost\r\n\r\n",
}
VARIED_BYTES = (100, 4000)
SMALL_WINDOW_BYTES = 4096
STEP_S = 1.0  # between two bytes of one that is slow


@dataclass(eq=False)
class Caller:
    """One connection at a time."""

    connection: socket.socket
    said: int = 0
    heard: bytes = b""


class Attack:
    """All callers of one kind."""

    def __init__(self, kind: str, count: int, port: int) -> None:
        self._kind, self._port = kind, port
        self._selector = selectors.DefaultSelector()
        self._callers: set[Caller] = set()
        self.got: Counter[str] = Counter()
        for _ in range(count):
            self._call()

    def run(self) -> None:
        """Until standard input ends."""
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        slow = self._kind == "slow"
        due_s = time.monotonic() + STEP_S
        while True:
            for key, _ in self._selector.select(max(0.0, due_s - time.monotonic()) if slow else None):
                if key.data is None:
                    return
                self._turn(key.data)
            if slow and time.monotonic() >= due_s:
                due_s += STEP_S
                for caller in list(self._callers):
                    self._say_one(caller)

    def _call(self) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        if self._kind == "readers":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW_BYTES)
        with contextlib.suppress(BlockingIOError):
            connection.connect(("127.0.0.1", self._port))
        caller = Caller(connection)
        self._callers.add(caller)
        self._selector.register(connection, selectors.EVENT_WRITE, caller)

    def _turn(self, caller: Caller) -> None:
        """It is connected, or there is something to read."""
        try:
            if caller.said or caller.heard:
                self._read(caller)
            elif self._kind == "leave":
                self._again(caller, "left")
            else:
                self._speak(caller)
        except OSError:
            self._again(caller, "reset")

    def _speak(self, caller: Caller) -> None:
        text = SAYS[self._kind][: 1 if self._kind == "slow" else None]
        if self._kind == "varied":
            text = varied()
        caller.said = caller.connection.send(text) if text else 1
        if self._kind == "readers":
            self._selector.unregister(caller.connection)
        else:
            self._selector.modify(caller.connection, selectors.EVENT_READ, caller)

    def _say_one(self, caller: Caller) -> None:
        if caller.said:
            try:
                caller.said += caller.connection.send(SAYS["slow"][caller.said : caller.said + 1])
            except OSError:
                self._again(caller, "reset")

    def _read(self, caller: Caller) -> None:
        piece = caller.connection.recv(65536)
        caller.heard += piece
        if not piece:
            self._again(caller, caller.heard[9:12].decode() or "closed")

    def _again(self, caller: Caller, end: str) -> None:
        self.got[end] += 1
        self._callers.discard(caller)
        self._selector.unregister(caller.connection)
        caller.connection.close()
        self._call()


class Forks:
    """So many processes at a time, each for one request."""

    def __init__(self, count: int, port: int) -> None:
        self._port = port
        self.got: Counter[str] = Counter()
        self._bell, bell_end = socket.socketpair()
        for end in (self._bell, bell_end):
            end.setblocking(False)
        signal.set_wakeup_fd(bell_end.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._bell_end = bell_end
        os.setsid()
        self._children = {self._fork() for _ in range(count)}

    def run(self) -> None:
        """Until standard input ends."""
        while sys.stdin not in select.select([sys.stdin, self._bell], [], [])[0]:
            self._bell.recv(4096)
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self.got["ended"] += 1
                self._children = self._children - {pid} | {self._fork()}
        signal.set_wakeup_fd(-1)
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _fork(self) -> int:
        if pid := os.fork():
            return pid
        try:
            with socket.create_connection(("127.0.0.1", self._port)) as connection:
                connection.sendall(varied())
                while connection.recv(65536):
                    pass
        finally:
            os._exit(0)


def varied() -> bytes:
    """A request as long as no other one lately."""
    return HEALTH + b"user-agent: " + b"a" * random.randrange(*VARIED_BYTES) + b"\r\n\r\n"


def main() -> None:
    kind, count, port, *user = sys.argv[1:]
    for uid in user:
        os.setuid(int(uid))
    began_s = time.monotonic()
    attack = Forks(int(count), int(port)) if kind == "forks" else Attack(kind, int(count), int(port))
    attack.run()
    used = os.times()
    took_s = time.monotonic() - began_s
    print(json.dumps({"ends": attack.got, "seconds": took_s, "cpu": sum(used[:4]) / took_s}))


if __name__ == "__main__":
    main()
