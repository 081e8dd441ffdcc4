"""Whom a request comes from, as far as that can be known from outside. In the warden, at the knock.

An origin is a path from the outside in: a user of this host, a session of that user, a process of that session. Whoever
calls from elsewhere is an address alone.

Covered: an origin is in the warden's memory only while its guest or instance is there, and for seconds afterwards
(living.py); it is never written anywhere, and no instance is told.
Not covered: an instance's fork has what the warden's memory has at that moment.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from noghost.warden.peer import End, Peers

Origin = tuple[bytes, ...]

NETWORK_BYTES = 8  # of an IPv6 address: one caller has a whole /64
DEPTH = 3  # user, session, process
UNKNOWN: Origin = (b"?", b"?")  # session and process of an end that is no longer looked for, or not found


@dataclass(frozen=True, slots=True)
class Whence:
    """An origin, and the end by which the rest of it can be found."""

    origin: Origin
    end: End | None = None  # on this host


def whence_of(connection: socket.socket, address: object, peers: Peers) -> Whence:
    """Whom a connection comes from: a user of this host, an IPv4 address, or an IPv6 network of 64 bits."""
    if (end := peers.end_of(connection)) is not None:
        return Whence((b"user %d" % end.user,), end)
    assert isinstance(address, tuple)
    host = str(address[0]).partition("%")[0]
    return Whence((socket.inet_pton(connection.family, host)[:NETWORK_BYTES],))


def outward(origin: Origin) -> Iterator[Origin]:
    """The origin's beginnings: its user or address, then with its session, then whole."""
    return (origin[:length] for length in range(1, len(origin) + 1))
