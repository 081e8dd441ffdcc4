"""Which process has the other end: real processes, real sockets, other users' too."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from noghost.warden.holders import REST, Holders
from noghost.warden.origin import UNKNOWN
from noghost.warden.peer import End, Peers

WAIT_S = 30.0
CALL = """import socket, sys
calls = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(3)]
sys.stdin.read()
"""
CALLS = 3


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def caller(stack: ExitStack, *, session: bool) -> tuple[int, list[End]]:
    """A process with three connections: its id, and its ends of them."""
    peers = stack.enter_context(closing(Peers()))
    door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    door.settimeout(WAIT_S)
    command = [sys.executable, "-Ic", CALL, str(door.getsockname()[1])]
    process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=session))
    inside = [stack.enter_context(door.accept()[0]) for _ in range(CALLS)]
    assert process.stdin is not None
    stack.callback(process.stdin.close)
    return process.pid, [end for connection in inside if (end := peers.end_of(connection))]


def test_callers_of_one_user_are_told_apart(stack: ExitStack) -> None:
    (one, ends), (other, more) = caller(stack, session=False), caller(stack, session=True)
    assert len(ends) == len(more) == CALLS
    named = Holders().name([*ends, *more])
    assert {named[end] for end in ends} == {(b"session %d" % os.getsid(0), b"process %d" % one)}
    assert {named[end] for end in more} == {(b"session %d" % other, b"process %d" % other)}


def test_a_process_that_is_known_already_is_taken(stack: ExitStack) -> None:
    here, there = (stack.enter_context(end) for end in socket.socketpair())
    end = stack.enter_context(closing(Peers())).end_of(here)
    assert end is not None
    assert Holders().name([end]) == {end: (b"session %d" % os.getsid(0), b"process %d" % os.getpid())}
    assert there.fileno() > 0


def test_who_is_not_found_is_unknown(stack: ExitStack) -> None:
    here, _ = (stack.enter_context(end) for end in socket.socketpair())
    nobodys = End(os.getuid(), inode=os.fstat(here.fileno()).st_ino + 10**9)
    gone = subprocess.Popen(["true"])
    gone.wait()
    ends = [nobodys, End(os.getuid(), pid=gone.pid)]
    assert Holders().name(ends) == dict.fromkeys(ends, UNKNOWN)


def test_it_rests_most_of_the_time(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    _, ends = caller(stack, session=False)
    clock = iter([100.0, 100.5, 104.9, 105.0, 105.5])  # begins, has looked for half a second; and again
    monkeypatch.setattr("noghost.warden.holders.time.monotonic", lambda: next(clock))
    holders = Holders()
    assert REST == 9
    assert holders.name(ends)
    assert holders.name(ends) == {}
    assert holders.name(ends)


def test_who_called_lately_is_looked_at_first(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process is listed while those known have all ends that are looked for."""
    pid, ends = caller(stack, session=False)
    holders = Holders()
    holders.name(ends[:1])
    monkeypatch.setattr("noghost.warden.holders.os.scandir", None)
    holders._again_s = 0.0
    assert holders.name(ends[1:]) == dict.fromkeys(ends[1:], (b"session %d" % os.getsid(0), b"process %d" % pid))
    with pytest.raises(TypeError):  # the control: another's end is not among theirs
        Holders().name(ends[1:])
