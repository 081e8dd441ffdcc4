"""Which user is at the other end of a connection: real sockets, another user's process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from noghost.warden.origin import Whence, whence_of
from noghost.warden.peer import End, Peers

NOBODY = 65534
WAIT_S = 30.0
CALL = """import encodings.idna, os, socket, sys  # what another user may not be able to import later
host, port, source, user = sys.argv[1:]
os.setuid(int(user))
socket.create_connection((host, int(port)), source_address=(source, 0)).recv(1)
"""
PLACES = [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.0.2"), ("::1", "::1")]


@contextmanager
def called(host: str, source: str, user: int = os.getuid()) -> Iterator[tuple[socket.socket, object]]:
    """A connection that a process of `user` has made."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as door:
        door.settimeout(WAIT_S)
        command = [sys.executable, "-Ic", CALL, host, str(door.getsockname()[1]), source, str(user)]
        with subprocess.Popen(command) as caller:
            connection, address = door.accept()
            with connection:
                yield connection, address
        assert caller.returncode == 0


@pytest.fixture
def peers() -> Iterator[Peers]:
    with closing(Peers()) as peers:
        assert peers.registry is not None
        yield peers


@pytest.mark.parametrize(("host", "source"), PLACES)
def test_a_caller_of_this_host_is_known_by_its_user(peers: Peers, host: str, source: str) -> None:
    with called(host, source) as (connection, address):
        end = peers.end_of(connection)
        assert end is not None
        assert (end.user, end.pid) == (os.getuid(), 0)
        assert end.inode > 0
        whence = whence_of(connection, address, peers)
        assert (whence.origin, whence.end) == ((b"user %d" % os.getuid(),), end)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start another user's process")
def test_two_users_of_one_address_are_told_apart(peers: Peers) -> None:
    with called("127.0.0.1", "127.0.0.1", NOBODY) as (theirs, address):
        with called("127.0.0.1", "127.0.0.1") as (ours, _):
            origins = [whence_of(end, address, peers).origin for end in (theirs, ours)]
        assert origins == [(b"user %d" % NOBODY,), (b"user 0",)]


def test_of_a_unix_socket_the_process_is_known_too(peers: Peers) -> None:
    here, there = socket.socketpair()
    with here, there:
        assert peers.end_of(here) == End(os.getuid(), pid=os.getpid())


def test_an_end_that_is_closed_or_elsewhere_has_no_user(peers: Peers) -> None:
    with called("127.0.0.1", "127.0.0.1") as (connection, address):
        connection.sendall(b"x")  # the caller reads it and ends
        while connection.recv(1):
            pass
        assert peers.end_of(connection) is None
        assert whence_of(connection, address, peers) == Whence((bytes([127, 0, 0, 1]),))
    with socket.socket(socket.AF_INET) as nowhere:
        assert peers.end_of(nowhere) is None
