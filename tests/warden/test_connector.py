"""The connector: to the configured places and nowhere else, whatever it is told."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from instance.forked import in_child
from noghost.instance.line import Line
from noghost.messages import MAX_BYTES, Answer, Birth, Connect, Connected, Dial, Open, pack, unpack
from noghost.reaper.outward import Outward
from noghost.reaper.spawn import connected
from noghost.upstream import Upstream
from noghost.warden.connector import serve_connections, start_connector
from running import children


@contextmanager
def connecting(places: list[tuple[str, int]]) -> Iterator[socket.socket]:
    """The reaper's end of a connector's socket."""
    here, there = connected()
    thread = threading.Thread(target=serve_connections, args=(places, there))
    thread.start()
    try:
        yield here
    finally:
        here.close()
        thread.join()
        there.close()


@pytest.fixture
def configured() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(the reaper's end, the instance's end)."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ends
    for end in ends:
        end.close()


def test_it_hands_over_a_connection_to_the_place(
    configured: socket.socket, line: tuple[socket.socket, socket.socket]
) -> None:
    with connecting([configured.getsockname()]) as asks:
        socket.send_fds(asks, [pack(Dial(0))], [line[0].fileno()])
        with Line(line[1]).connect() as connection:
            accepted, _ = configured.accept()
            with accepted:
                assert connection.getpeername() == configured.getsockname()
                connection.sendall(b"hello")
                assert accepted.recv(8) == b"hello"
    assert unpack(line[0].recv(MAX_BYTES), Connect) == Connect()


@pytest.mark.parametrize(
    "data",
    [
        pack(Dial(1)),
        pack(Dial(65535)),
        pack(Dial(0)) + b"127.0.0.1:80",
        pack(Dial(0))[:-1],
        pack(Birth(1)),
        b"CONNECT 127.0.0.1:80 HTTP/1.1",
        b"\0",
    ],
)
def test_what_is_no_number_of_a_place_is_dropped(
    configured: socket.socket, line: tuple[socket.socket, socket.socket], data: bytes
) -> None:
    """Control: the one that follows is not."""
    with connecting([configured.getsockname()]) as asks:
        socket.send_fds(asks, [data], [line[0].fileno()])
        asks.send(pack(Dial(0)))  # without a line there is nobody to answer
        socket.send_fds(asks, [pack(Dial(0))], [line[0].fileno()])
        Line(line[1]).connect().close()
        accepted, _ = configured.accept()
        accepted.close()
    configured.setblocking(False)
    with pytest.raises(BlockingIOError):
        configured.accept()


def test_it_has_no_right_and_not_what_is_the_warden_s(configured: socket.socket) -> None:
    def look() -> list[object]:
        upstream = Upstream("far", f"https://127.0.0.1:{configured.getsockname()[1]}/v1")
        asks = start_connector([upstream], (configured,))
        assert asks is not None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        socket.send_fds(asks, [pack(Dial(0))], [ours.fileno()])
        with Line(theirs).connect():
            (pid,) = children(os.getpid())
            status = Path(f"/proc/{pid}/status").read_text()
            held = [file.readlink() for file in Path(f"/proc/{pid}/fd").iterdir()]
        rights = re.findall(r"^(?:CapEff|NoNewPrivs):\t(\w+)$", status, re.MULTILINE)
        return [sorted(rights), Path(f"/proc/self/fd/{configured.fileno()}").readlink() in held]

    assert in_child(look) == [["0000000000000000", "1"], False]


def test_without_a_connector_the_instance_is_told(line: tuple[socket.socket, socket.socket]) -> None:
    outward = Outward(None, ("11" * 32, "remote/openrouter.ai"))
    wanted = [Open(bytes(16), model, False, bytes(32)) for model in (0, 1, 2)]
    assert [outward.is_remote(one) for one in wanted] == [False, True, False]
    outward.dial(wanted[1], line[0])
    assert unpack(line[1].recv(MAX_BYTES), Connected).answer == Answer.UNREACHABLE
