"""Which user is at the other end of a connection: real sockets, another user's process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from noghost.warden.lobby import origin_of
from noghost.warden.peer import Peers

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
        assert peers.user_of(connection) == os.getuid()
        assert origin_of(connection, address, peers) == b"user %d" % os.getuid()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start another user's process")
def test_two_users_of_one_address_are_told_apart(peers: Peers) -> None:
    with called("127.0.0.1", "127.0.0.1", NOBODY) as (theirs, address):
        assert peers.user_of(theirs) == NOBODY
        with called("127.0.0.1", "127.0.0.1") as (ours, _):
            assert peers.user_of(ours) == 0
            assert origin_of(theirs, address, peers) != origin_of(ours, address, peers)


def test_an_end_that_is_closed_or_elsewhere_has_no_user(peers: Peers) -> None:
    with called("127.0.0.1", "127.0.0.1") as (connection, address):
        connection.sendall(b"x")  # the caller reads it and ends
        while connection.recv(1):
            pass
        assert peers.user_of(connection) is None
        assert origin_of(connection, address, peers) == bytes([127, 0, 0, 1])
    with socket.socket(socket.AF_INET) as nowhere:
        assert peers.user_of(nowhere) is None
