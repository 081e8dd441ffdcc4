"""The lobby: silence costs no process, nothing is read, the time and the number of guests are bounded."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import pytest

from noghost.warden.lobby import MUCH_BYTES, SHORTEST_BYTES, Guest, Lobby, Said, has_left, said
from noghost.warden.origin import Origin, Whence, whence_of
from noghost.warden.peer import End, Peers

IDLE = ((b"here",), 40)  # how a request looked that computed nothing
MOST = 4
PATIENCE_S = 30
HERE, THERE = (b"here",), (b"there",)
END = End(user=1000, inode=1)


@dataclass
class House:
    """A lobby, and the callers' ends of its connections."""

    lobby: Lobby
    poll: select.epoll
    stack: ExitStack
    inside: list[socket.socket] = field(default_factory=list)

    def admit(self, origin: Origin = HERE, says: bytes = b"", whose: End | None = None) -> socket.socket:
        """A caller at the door, who has said something or not."""
        caller, connection = socket.socketpair()
        for end in (caller, connection):
            self.stack.enter_context(end)
        self.inside.append(connection)
        self.lobby.admit(connection, lambda: Whence(origin, whose))
        caller.sendall(says)
        self.turn()
        return caller

    def turn(self) -> None:
        """Everything that has happened so far."""
        for descriptor, events in self.poll.poll(0):
            self.lobby.on_event(descriptor, events)

    def first(self) -> Guest | None:
        return self.lobby.first(lambda origin: (int(origin == THERE),), lambda look: look == IDLE)


@pytest.fixture
def house() -> Iterator[House]:
    with ExitStack() as stack:
        poll = stack.enter_context(select.epoll())
        yield House(Lobby(poll, most=MOST, patience_s=60.0), poll, stack)


def test_a_silent_guest_waits_and_one_that_has_spoken_is_next(house: House) -> None:
    silent = house.admit()
    assert (len(house.lobby), house.lobby.waits, house.first()) == (1, False, None)
    silent.sendall(b"G")
    house.turn()
    guest = house.first()
    assert guest is not None
    assert 0 < guest.knock_ns <= time.monotonic_ns()
    connection = house.lobby.take(guest)
    assert len(house.lobby) == 0
    assert connection.recv(9) == b"G", "the lobby has read nothing"


@pytest.mark.parametrize("says", [b"", b"GET / HTTP/1.1\r\n\r\n"], ids=["without a word", "with a word"])
def test_a_guest_that_leaves_is_forgotten(house: House, says: bytes) -> None:
    house.admit(says=says).close()
    house.turn()
    assert len(house.lobby) == 0
    assert house.inside[0].fileno() == -1, "its connection is closed"
    assert house.poll.poll(0) == []


def test_a_caller_that_was_gone_before_it_was_let_in_is_no_guest(house: House) -> None:
    listener = house.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    caller = house.stack.enter_context(socket.create_connection(listener.getsockname()))
    staying = house.stack.enter_context(listener.accept()[0])
    assert not has_left(staying)
    caller.shutdown(socket.SHUT_WR)
    assert select.select([staying], [], [], PATIENCE_S)[0], "its end has arrived"
    assert has_left(staying)
    house.lobby.admit(staying, lambda: Whence(HERE))
    assert staying.fileno() == -1
    assert len(house.lobby) == 0


def test_only_who_speaks_is_asked_where_it_comes_from(house: House) -> None:
    asked: list[int] = []
    for number, says in enumerate((b"", b"G")):
        caller, connection = (house.stack.enter_context(end) for end in socket.socketpair())
        house.lobby.admit(connection, lambda number=number: asked.append(number) or Whence(HERE))
        caller.sendall(says)
    house.turn()
    assert asked == [1]


def test_in_a_full_lobby_the_longest_silence_makes_room(house: House) -> None:
    for says in (b"G", b"", b"", b"G"):
        house.admit(says=says)
    house.admit()
    assert [connection.fileno() < 0 for connection in house.inside] == [False, True, False, False, False]
    assert not house.lobby.packed


def test_a_lobby_of_guests_that_have_spoken_is_packed(house: House) -> None:
    for _ in range(MOST):
        house.admit(says=b"G")
    assert house.lobby.packed
    assert not house.lobby.dismiss_silent()


@pytest.mark.parametrize(
    ("bytes_said", "what"),
    [
        (1, Said.LITTLE),
        (SHORTEST_BYTES - 1, Said.LITTLE),
        (SHORTEST_BYTES, Said.SOME),
        (MUCH_BYTES - 1, Said.SOME),
        (MUCH_BYTES, Said.MUCH),
    ],
)
def test_how_much_was_said(house: House, bytes_said: int, what: Said) -> None:
    house.admit(says=b"a" * bytes_said)
    guest = house.first()
    assert guest is not None
    assert said(guest.said_bytes()) is what


def test_who_is_next(house: House) -> None:
    """Fewest served, then no look of an idle one, then most said, then first come; who cannot have said a request comes
    last."""
    little, some, much = b"a", b"a" * SHORTEST_BYTES, b"a" * MUCH_BYTES
    for origin, says in ((THERE, much), (HERE, little), (HERE, b"a" * IDLE[1]), (HERE, some), (HERE, much)):
        house.admit(origin, says)
    order = []
    while guest := house.first():
        order.append(house.inside.index(house.lobby.take(guest)))
    assert order == [4, 3, 2, 0, 1]


def test_the_first_come_is_next_among_equals(house: House) -> None:
    for _ in range(MOST):
        house.admit(says=b"a" * SHORTEST_BYTES)
    guest = house.first()
    assert guest is not None
    assert guest.connection is house.inside[0]


@pytest.mark.parametrize("says", [b"", b"G"], ids=["silent", "speaking"])
def test_nobody_waits_for_ever(house: House, says: bytes) -> None:
    assert house.lobby.due_s() is None, "nobody is there: no reason to wake up"
    house.admit(says=says)
    due_s = house.lobby.due_s()
    assert due_s is not None
    house.lobby.dismiss_overdue(due_s - 0.001)
    assert len(house.lobby) == 1
    house.lobby.dismiss_overdue(due_s)
    assert len(house.lobby) == 0


def test_a_late_event_of_a_guest_that_is_gone_says_nothing(house: House) -> None:
    house.admit(says=b"G")
    guest = house.first()
    assert guest is not None
    descriptor = house.lobby.take(guest).fileno()
    house.lobby.on_event(descriptor, select.EPOLLIN)
    assert len(house.lobby) == 0


def test_an_event_without_a_byte_is_no_word(house: House) -> None:
    """A descriptor's number can be given anew between an event and its handling."""
    house.admit()
    house.lobby.on_event(house.inside[0].fileno(), select.EPOLLIN)
    assert not house.lobby.waits


def test_origins() -> None:
    here, there = socket.socketpair()
    four, six = socket.socket(socket.AF_INET), socket.socket(socket.AF_INET6)
    with closing(Peers()) as peers, here, there, four, six:
        assert whence_of(four, ("192.0.2.1", 1), peers).origin == (bytes([192, 0, 2, 1]),)
        hosts = ("2001:db8::1", "2001:db8::2", "2001:db9::1")
        one, same, other = (whence_of(six, (host, 1, 0, 0), peers).origin for host in hosts)
        assert one == same != other
        assert whence_of(here, "", peers) == whence_of(there, "", peers)
        assert whence_of(here, "", peers).origin == (b"user %d" % os.getuid(),)


def test_processes_are_looked_for_where_it_matters(house: House) -> None:
    """Among several who wait, of an origin within which they are to be told apart, and who are on this host."""
    house.admit(HERE, b"G", END)
    assert house.lobby.unnamed(lambda _: True) == [], "one alone is next, whoever it is"
    house.admit(THERE, b"G", END)
    house.admit(HERE, b"G")
    assert [guest.connection for guest in house.lobby.unnamed(HERE.__eq__)] == house.inside[:1]
