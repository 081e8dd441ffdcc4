"""Which end of this host a connection comes from. In the warden, at the knock.

Covered: callers on this host are told apart by their user, over a Unix socket and over TCP alike, whichever of the
host's addresses they call from. Of TCP the kernel is asked for the caller's end of the connection (NETLINK_SOCK_DIAG of
sock_diag(7)), as `ss -e` asks; no right is needed.
Not covered: callers whose end is in another network namespace (a container's port that is passed on), or is gone
already: they are told apart by their address.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import NamedTuple

NETLINK_SOCK_DIAG = 4  # linux/netlink.h
NLM_F_REQUEST = 1
SOCK_DIAG_BY_FAMILY = 20  # linux/sock_diag.h
UCRED = struct.Struct("=lLL")  # of unix(7): pid, uid, gid
ALL_STATES = 0xFFFFFFFF
NO_COOKIE = b"\xff" * 8  # INET_DIAG_NOCOOKIE
HEADER = struct.Struct("=LHHLL")  # nlmsghdr: length, type, flags, sequence, port
ASKED = struct.Struct("=BBBBL2s2s16s16sL8s")  # inet_diag_req_v2: family, protocol, extensions, pad, states, sockid
TOLD = struct.Struct("=4x48x12xLL")  # inet_diag_msg, as far as it matters: user, inode
REPLY_BYTES = 512


class End(NamedTuple):
    """The other end of a connection, on this host."""

    user: int
    inode: int = 0  # of its socket; 0 where the process is known
    pid: int = 0  # of who connected; 0 where the kernel does not tell


class Peers:
    """The kernel's registry of sockets, of the network in which this is made: before the warden leaves it."""

    def __init__(self) -> None:
        self.registry: socket.socket | None = None  # none where the kernel has no such thing, or a sandbox refuses it
        with contextlib.suppress(OSError):
            self.registry = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)

    def end_of(self, connection: socket.socket) -> End | None:
        """Who has the other end of a connection; None where that is not on this host, or has been closed."""
        if connection.family == socket.AF_UNIX:
            pid, user, _ = UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
            return End(user, pid=max(pid, 0))
        try:
            end = self._ask(question_of(connection))
        except OSError:
            return None
        return end if end.inode else None  # an end that is closed belongs to nobody, and says 0

    def close(self) -> None:
        """Ask no more."""
        if self.registry is not None:
            self.registry.close()

    def _ask(self, question: bytes) -> End:
        """Of one socket; OSError where there is none."""
        if self.registry is None:
            raise ProcessLookupError
        header = HEADER.pack(HEADER.size + len(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0)
        self.registry.send(header + question)
        reply = self.registry.recv(REPLY_BYTES, socket.MSG_DONTWAIT)  # it is there when the question has been sent
        if HEADER.unpack_from(reply)[1] != SOCK_DIAG_BY_FAMILY:  # NLMSG_ERROR
            raise ProcessLookupError
        return End(*TOLD.unpack_from(reply, HEADER.size))


def question_of(connection: socket.socket) -> bytes:
    """Who has the other end of this TCP connection? OSError where it has none."""
    ends = (connection.getpeername()[:2], connection.getsockname()[:2])
    ports = [port.to_bytes(2, "big") for _, port in ends]
    hosts = [socket.inet_pton(connection.family, host.partition("%")[0]).ljust(16, b"\0") for host, _ in ends]
    return ASKED.pack(connection.family, socket.IPPROTO_TCP, 0, 0, ALL_STATES, *ports, *hosts, 0, NO_COOKIE)
