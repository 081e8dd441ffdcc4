"""The line to the reaper, at the hands of an instance that was taken over: whatever comes over it, descriptors too,
the reaper lives, wipes and verifies that instance like any other, and serves the next.

The instances here are processes of their own that a real reaper traces; they say whatever they like.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.effort import effort
from fuzz.mutation import mutated
from noghost.board import Board
from noghost.instance.exit import leave
from noghost.instance.line import Line
from noghost.instance.newborn import Newborn
from noghost.instance.sandbox import allow_tracer
from noghost.ledger.statement import verify
from noghost.messages import (
    MAX_BYTES,
    Attest,
    Confined,
    Connect,
    Connected,
    Dial,
    Ended,
    Follow,
    Gate,
    Gone,
    Heard,
    Lookup,
    Message,
    Open,
    Opened,
    Outcome,
    Recall,
    Sync,
    Told,
    Wipe,
    pack,
    unpack,
)
from noghost.reaper.duty import Duty
from noghost.reaper.record import Stated
from noghost.reaper.start import start_reaper
from noghost.warden.births import Nursery, bear

PATIENCE_S = 30
DIGEST = "11" * 32
ID = bytes(range(16))
STATED = Stated((DIGEST, "remote/host"), "0", DIGEST, DIGEST, "swap=none", "x86_64=avx2", "8192", "512")
SAID: tuple[Message, ...] = (
    *(Confined(), Open(ID, 0, False, bytes(32)), Open(ID, 255, True, bytes(32)), Sync(), Lookup(ID), Lookup(bytes(16))),
    *(
        Open(ID, 0, False, bytes(32), 1, 0, True, 5),
        Open(ID, 0, False, bytes(32), 257),
        Open(ID, 0, False, bytes(32), 1, 65535),
    ),
    Open(ID, 0, False, bytes(32), 0, 0, True, 2**32 - 1),
    *(Attest(ID, bytes(32)), Attest(bytes(16), b"\xff" * 32)),
    *(Open(ID, 1, False, bytes(32)), Connect(), Dial(0), Connected(1)),
    *(Follow(bytes(32), 0, 2**64 - 1), Recall(bytes(32))),
    *(
        Ended(0, 3, 3),
        Ended(0, 3, 3, True, b"\xff" * 32),
        Ended(Outcome.LOST, 0, 0),
        Ended(99, 0, 0),
        Ended(0, 65, 0),
        Gate(1),
        Opened(1),
    ),
)
KINDS = (Confined, Open, Sync, Ended, Lookup, Connect, Follow, Recall, Attest)
datagrams = st.one_of(
    st.sampled_from(SAID).map(pack),
    st.sampled_from(SAID).map(pack).flatmap(mutated),
    st.binary(max_size=80),
    st.sampled_from((b"", b"\x04" * MAX_BYTES)),
)
gifts = st.lists(st.sampled_from(("nothing", "pipe", "socket", "file", "line")), max_size=3)


@dataclass(frozen=True)
class Word:
    """One datagram, and the descriptors that come with it."""

    data: bytes
    gifts: tuple[str, ...] = ()


words = st.lists(st.one_of(st.builds(Word, datagrams), st.builds(Word, datagrams, gifts.map(tuple))), max_size=6)


@dataclass
class Reaped:
    """A reaper, and the warden's end of what is between them."""

    births: socket.socket
    pid: int

    def life_of(self, live: Callable[[Newborn], NoReturn]) -> Gone:
        """Bear an instance, and wait until it is gone."""
        pid = bear(None, Nursery(self.births, self.pid, live))
        while True:
            assert select.select([self.births], [], [], PATIENCE_S)[0], "the reaper says nothing"
            data = self.births.recv(MAX_BYTES)
            assert data, "the reaper has ended"
            message = unpack(data, Gone, Heard)
            if isinstance(message, Gone) and message.pid == pid:
                os.waitpid(pid, 0)
                return message


@pytest.fixture(scope="module")
def reaped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reaped]:
    home = tmp_path_factory.mktemp("line")
    duty = Duty(home / "ledger", STATED, 1, queue=1, most_refusals=64)
    births, pid = start_reaper(duty, Board())
    yield Reaped(births, pid)
    births.close()
    assert os.waitpid(pid, 0)[1] == 0


def saying(said: list[Word]) -> Callable[[Newborn], NoReturn]:
    """A life in which all of that is said, and at last what is no message; what comes back is left unread. It waits for
    its end."""

    def live(newborn: Newborn) -> NoReturn:
        allow_tracer(newborn.reaper_pid)
        Line(newborn.line).wait_at_gate()
        for word in said:
            socket.send_fds(newborn.line, [word.data], [opened(gift, newborn.line) for gift in word.gifts])
        newborn.line.send(b"no message")
        while True:
            signal.pause()

    return live


def opened(gift: str, line: socket.socket) -> int:
    """A descriptor of that kind."""
    if gift == "pipe":
        return os.pipe()[0]
    if gift == "socket":
        return socket.socketpair()[0].detach()
    if gift == "line":
        return line.fileno()
    return os.open(os.devnull if gift == "nothing" else __file__, os.O_RDONLY)


def good(newborn: Newborn) -> NoReturn:
    """An instance that does all as it should, but for the computing."""
    allow_tracer(newborn.reaper_pid)
    line = Line(newborn.line)
    line.wait_at_gate()
    line.open(os.urandom(16), 0, None)
    line.sync()
    line.last_word(Outcome.ANSWERED, 1, 1)
    leave()


def attested(newborn: Newborn, recorded: bytes = ID, times: int = 1, *, late: bool = False) -> NoReturn:
    """An instance that has a key signed, and an invocation recorded, before or after."""
    allow_tracer(newborn.reaper_pid)
    line = Line(newborn.line)
    line.wait_at_gate()
    if late:
        line.open(recorded, 0, None)
    for _ in range(times):
        statement = verify(line.attest(ID, b"\7" * 32)).statement
        assert (statement.id, statement.public, statement.weights) == (ID.hex(), b"\7" * 32, STATED.weights)
    line.open(recorded, 0, None)
    line.last_word(Outcome.ANSWERED, 1, 1)
    leave()


def test_a_key_is_signed_once_and_for_one_invocation(reaped: Reaped) -> None:
    assert Outcome(reaped.life_of(attested).outcome) is Outcome.ANSWERED
    for wrong in (
        partial(attested, recorded=bytes(16)),
        partial(attested, times=2),
        partial(attested, late=True),
    ):
        gone = reaped.life_of(wrong)
        assert (Outcome(gone.outcome), Wipe(gone.wipe)) == (Outcome.KILLED, Wipe.VERIFIED)


@pytest.mark.slow
@effort(120)
@given(said=words)
@example(said=[Word(b"")])
@example(said=[Word(pack(Open(ID, 0, False, bytes(32)))), Word(pack(Open(ID, 0, False, bytes(32))))])
@example(said=[Word(pack(Sync()), ("nothing",))])
@example(said=[Word(pack(Sync()), ("file",)), Word(pack(Sync()), ("pipe", "socket"))])
@example(said=[Word(pack(Sync()), ("line",)), Word(pack(Lookup(ID)), ("line",))])
def test_whatever_is_said_the_reaper_lives_and_wipes(reaped: Reaped, said: list[Word]) -> None:
    gone = reaped.life_of(saying(said))
    assert (Outcome(gone.outcome), Wipe(gone.wipe)) == (Outcome.KILLED, Wipe.VERIFIED)


def test_the_next_one_is_served_and_nothing_was_left_open(reaped: Reaped) -> None:
    assert Outcome(reaped.life_of(good).outcome) is Outcome.ANSWERED
    before = descriptors(reaped.pid)
    for gift in ("nothing", "pipe", "socket", "file", "line"):
        gone = reaped.life_of(saying([Word(pack(Sync()), (gift,))] * 5))
        assert (Outcome(gone.outcome), Wipe(gone.wipe)) == (Outcome.KILLED, Wipe.VERIFIED)
    assert Outcome(reaped.life_of(good).outcome) is Outcome.ANSWERED
    assert descriptors(reaped.pid) == before


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@effort(500)
@given(data=datagrams, kinds=st.sets(st.sampled_from([*KINDS, Gone, Gate, Told]), min_size=1))
def test_any_datagram_is_one_of_the_kinds_or_a_value_error(data: bytes, kinds: set[type[Message]]) -> None:
    try:
        message = unpack(data, *kinds)
    except ValueError:
        return
    assert type(message) in kinds
    assert unpack(pack(message), *kinds) == message
