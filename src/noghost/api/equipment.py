"""What an instance has of its connection, whatever is spoken over it: made before the confinement, parted with last.

Covered: a caller that takes nothing of what waits for it; an answer that leaves before all of the request is here.
Not covered: what is said; connection.py has HTTP, wyoming/ Wyoming's events.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass
from typing import Any, cast

from noghost.config import Limits
from noghost.messages import Outcome

LINGER_S = 1.0  # without a byte, and the caller has ceased to send
LINGER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Equipment:
    """What an instance opens before it is confined: nothing can be opened afterwards."""

    connection: socket.socket
    after: socket.socket  # the same connection, for the end: the event loop closes the other
    loop: asyncio.AbstractEventLoop

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Everything but the connection itself, to be kept open."""
        loop = cast(Any, self.loop)  # a selector event loop: its selector and the socket pair that wakes it
        return (self.after.fileno(), loop._selector.fileno(), loop._ssock.fileno(), loop._csock.fileno())


def equip(connection: socket.socket, stall_s: float) -> Equipment:
    """In the instance, before its confinement.

    TCP_USER_TIMEOUT of tcp(7): the kernel ends the connection when for `stall_s` the caller takes nothing of what
    waits for it. It goes on to count when this process is gone, so that no answer lies in the kernel for longer.
    """
    connection.setblocking(False)
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(stall_s * 1000))
    loop = asyncio.SelectorEventLoop()
    asyncio.set_event_loop(loop)
    return Equipment(connection, connection.dup(), loop)


def part(after: socket.socket, outcome: Outcome, limits: Limits) -> None:
    """Say the end now: the wipe comes before the kernel would. After an answer that came before the whole request, take
    what the caller still sends: a close with unread bytes would destroy the answer on its way (RFC 9112, 9.6)."""
    patience_s = limits.request_s if outcome in (Outcome.REFUSED, Outcome.TIMEOUT) else 0.0
    until_s = time.monotonic() + patience_s
    with contextlib.suppress(OSError):
        after.shutdown(socket.SHUT_WR)
        after.settimeout(min(LINGER_S, patience_s))
        while after.recv(LINGER_BYTES) and time.monotonic() < until_s:
            pass
