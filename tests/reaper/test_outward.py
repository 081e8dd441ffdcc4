"""The reaper asks the connector once, after the record, and to where the record says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.test_fuzz_line import ID, STATED, Reaped, Word, saying
from noghost.board import Board
from noghost.messages import MAX_BYTES, Answer, Connect, Connected, Dial, Message, Open, Outcome, Wipe, pack, unpack
from noghost.reaper.duty import Duty
from noghost.reaper.spawn import connected
from noghost.reaper.start import start_reaper

OWN, REMOTE = (Open(ID, model, False, bytes(32)) for model in (0, 1))


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[Reaped, socket.socket]]:
    """A reaper, and the connector's end."""
    theirs, ours = connected()
    births, pid = start_reaper(
        Duty(tmp_path / "ledger", STATED, 1, queue=1, most_refusals=64), Board(), (ours,), theirs
    )
    ours.setblocking(False)
    yield Reaped(births, pid), ours
    births.close()
    ours.setblocking(True)
    assert ours.recv(MAX_BYTES) == b"", "its end is the connector's"
    ours.close()


def words(*said: Message) -> list[Word]:
    return [Word(pack(one)) for one in said]


def test_it_asks_for_the_model_that_was_recorded(asked: tuple[Reaped, socket.socket]) -> None:
    reaped, connector = asked
    gone = reaped.life_of(saying(words(REMOTE, Connect())))
    data, lines, _, _ = socket.recv_fds(connector, MAX_BYTES, 2)
    assert unpack(data, Dial) == Dial(0)
    assert len(lines) == 1
    with socket.socket(fileno=lines[0]) as line, pytest.raises(OSError, match=r"Broken pipe|Connection reset"):
        line.send(pack(Connected(Answer.YES)))  # to the instance, which is gone by now
    assert gone.wipe == Wipe.VERIFIED


@pytest.mark.parametrize("said", [(Connect(),), (OWN, Connect()), (Open(ID, 2, False, bytes(32)), Connect())])
def test_it_does_not_ask_without_a_record_that_says_so(
    asked: tuple[Reaped, socket.socket], said: tuple[Message, ...]
) -> None:
    reaped, connector = asked
    assert reaped.life_of(saying(words(*said))).outcome == Outcome.KILLED
    with pytest.raises(BlockingIOError):
        connector.recv(MAX_BYTES)


def test_it_asks_once(asked: tuple[Reaped, socket.socket]) -> None:
    reaped, connector = asked
    assert reaped.life_of(saying(words(REMOTE, Connect(), Connect()))).outcome == Outcome.KILLED
    assert unpack(connector.recv(MAX_BYTES), Dial) == Dial(0)
    with pytest.raises(BlockingIOError):
        connector.recv(MAX_BYTES)
