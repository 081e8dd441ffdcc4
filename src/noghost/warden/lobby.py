"""The lobby: where an accepted connection waits until there is a process for it. In the warden.

Covered: a caller that says nothing costs a descriptor and no process, and so does one that leaves without a word;
their number and their time are bounded. The warden asks the kernel whether bytes wait and how many, never which: it
reads none, and peeks at none.
Not covered: what the kernel queues meanwhile for each of them (net.ipv4.tcp_rmem).
"""

from __future__ import annotations

import fcntl
import select
import socket
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from noghost.warden.origin import Origin, Whence
from noghost.warden.peer import End

WORD = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
LEFT = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
LEFT_STATES = {7, 8}  # TCP_CLOSE, TCP_CLOSE_WAIT: netinet/tcp.h
SHORTEST_BYTES = len(b"GET / HTTP/1.0\r\n\r\n")  # no request is shorter
MUCH_BYTES = 128  # a request with a body, or a TLS greeting; a bare GET is shorter


Look = tuple[Origin, int]  # whom a request comes from, and how many bytes of it have come


class Said(IntEnum):
    """How much a guest has said."""

    LITTLE = 0  # it cannot be a request yet
    SOME = 1
    MUCH = 2


@dataclass(eq=False, slots=True)
class Guest:
    """One waiting connection."""

    connection: socket.socket
    whence: Callable[[], Whence]  # finds out its origin; who leaves without a word is never asked about
    since_s: float  # of its silence, and then of its wait: CLOCK_MONOTONIC
    origin: Origin = ()  # whom it comes from, once it speaks; for fairness alone: never logged, gone with the guest
    end: End | None = None  # by which more of its origin can be found
    knock_ns: int = 0  # CLOCK_MONOTONIC when something was there to read; 0 before

    def said_bytes(self) -> int:
        """So many wait now."""
        return waiting_bytes(self.connection)


def said(waiting: int) -> Said:
    """What so many bytes can be."""
    return Said((waiting >= SHORTEST_BYTES) + (waiting >= MUCH_BYTES))


class Lobby:
    """At most `most` guests; each has `patience_s` for its first byte, and again until there is room for it."""

    def __init__(self, poll: select.epoll, *, most: int, patience_s: float) -> None:
        self._poll = poll
        self._most = most
        self._patience_s = patience_s
        self._silent: dict[int, Guest] = {}  # by descriptor; the oldest first
        self._speaking: dict[int, Guest] = {}

    def __len__(self) -> int:
        return len(self._silent) + len(self._speaking)

    @property
    def waits(self) -> bool:
        """Somebody has said something."""
        return bool(self._speaking)

    @property
    def packed(self) -> bool:
        """Full of guests that have all said something."""
        return len(self._speaking) >= self._most

    def admit(self, connection: socket.socket, whence: Callable[[], Whence]) -> None:
        """A new guest; in a full lobby the one that has been silent longest makes room for it."""
        if has_left(connection):
            connection.close()
            return
        if len(self) >= self._most:
            self.dismiss_silent()
        self._silent[connection.fileno()] = Guest(connection, whence, time.monotonic())
        self._poll.register(connection, WORD)

    def on_event(self, descriptor: int, events: int) -> None:
        """A guest has said something, or has left; a late event of one that is no longer here says nothing."""
        guest = self._silent.get(descriptor) or self._speaking.get(descriptor)
        if guest is None:
            return
        if events & LEFT:
            self.take(guest).close()
        elif descriptor in self._silent:
            self._hear(descriptor, guest)

    def _hear(self, descriptor: int, guest: Guest) -> None:
        if not waiting_bytes(guest.connection):
            self._poll.modify(descriptor, WORD)
            return
        whence = guest.whence()
        guest.origin, guest.end = whence.origin, whence.end
        guest.knock_ns, guest.since_s = time.monotonic_ns(), time.monotonic()
        self._speaking[descriptor] = self._silent.pop(descriptor)
        self._poll.modify(descriptor, select.EPOLLRDHUP)

    def unnamed(self, told_apart: Callable[[Origin], bool]) -> list[Guest]:
        """Those of an origin within which callers are to be `told_apart`, where that has not been done; none where
        nobody waits for anybody else."""
        guests = self._speaking.values()
        alone = len(guests) == 1  # it is next, whoever it is
        return [guest for guest in guests if guest.end and told_apart(guest.origin) and not alone]

    def first(self, served: Callable[[Origin], tuple[int, ...]], idle: Callable[[Look], bool]) -> Guest | None:
        """Who is next: of those who have had least (`served`), then whose request does not look like one that
        computed nothing (`idle`), then who has said more, then who came first; those that cannot have said a whole
        request come last."""

        def rank(guest: Guest) -> tuple[bool, tuple[int, ...], bool, int]:
            waiting = guest.said_bytes()
            return said(waiting) is Said.LITTLE, served(guest.origin), idle((guest.origin, waiting)), -said(waiting)

        guests = self._speaking.values()
        return min(guests, key=rank) if len(guests) > 1 else next(iter(guests), None)

    def take(self, guest: Guest) -> socket.socket:
        """Out of the lobby, into the caller's hands."""
        descriptor = guest.connection.fileno()
        self._poll.unregister(descriptor)  # closing would not do: a newborn may still have its copy
        self._silent.pop(descriptor, None)
        self._speaking.pop(descriptor, None)
        return guest.connection

    def dismiss_silent(self) -> bool:
        """Close the connection that has been silent longest; False where there is none."""
        guest = next(iter(self._silent.values()), None)
        if guest is not None:
            self.take(guest).close()
        return guest is not None

    def dismiss_overdue(self, now_s: float) -> None:
        """Close what has waited too long."""
        for guests in (self._silent, self._speaking):
            while (guest := next(iter(guests.values()), None)) and guest.since_s + self._patience_s <= now_s:
                self.take(guest).close()

    def due_s(self) -> float | None:
        """When the next one will have waited too long; None in an empty lobby."""
        firsts = [next(iter(guests.values())).since_s for guests in (self._silent, self._speaking) if guests]
        return min(firsts) + self._patience_s if firsts else None

    def close(self) -> None:
        """Dismiss everybody."""
        for guest in (*self._silent.values(), *self._speaking.values()):
            self.take(guest).close()


def has_left(connection: socket.socket) -> bool:
    """Whether the caller was gone before it was let in: the state in TCP_INFO, of tcp(7). One look costs less than
    waiting for the kernel to tell; a Unix socket has no such state, and the kernel tells."""
    if connection.family == socket.AF_UNIX:
        return False
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in LEFT_STATES


def waiting_bytes(connection: socket.socket) -> int:
    """How many bytes wait to be read: FIONREAD, which copies none of them."""
    return int.from_bytes(fcntl.ioctl(connection, termios.FIONREAD, bytes(4)), sys.byteorder)
