"""The instances alive: who may be born, who is ended to make room, who is killed in the end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from noghost.warden.living import (
    BIRTHS_PER_CORE,
    GRACE_S,
    HOLD_S,
    LOOKS_KEPT,
    OVERTIME_S,
    STORM_LOOKS,
    WINDOW_S,
    Alive,
    Living,
)
from noghost.warden.origin import Origin

CORES = 2
HERE, THERE = (b"here",), (b"there",)
THIS, THAT = (*HERE, b"session", b"this"), (*HERE, b"session", b"that")
PATIENCE_S = 30


class Cores:
    """Whether anybody computes."""

    computing = 0


def living(cores: Cores) -> Living:
    return Living(cores=CORES, deadline_s=100, talk_s=1000, computing=lambda: cores.computing)


Sleeper = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    """A process to be ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "600"]))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def alive(pid: int, born_s: float = 0.0, origin: Origin = HERE, *, likely: bool = False) -> Alive:
    return Alive(pid, origin, born_s, likely)


def test_so_many_births_may_be_under_way() -> None:
    found = living(Cores())
    for pid in range(CORES * BIRTHS_PER_CORE):
        assert found.has_room(0.0, preferred=False)
        found.born(alive(pid))
    assert not found.has_room(0.0, preferred=False)
    assert not found.has_room(0.0, preferred=True)
    assert found.room_s(0.0) == GRACE_S
    assert found.has_room(GRACE_S, preferred=False)


def filled(cores: Cores) -> Living:
    """No room for a small one more."""
    found = living(cores)
    for pid in range(CORES * BIRTHS_PER_CORE):
        found.born(alive(pid))
    assert not found.has_room(0.0, preferred=False)
    return found


def test_a_birth_is_over_when_the_instance_has_ended_or_is_heard() -> None:
    for word in (Living.gone, Living.heard):
        found = filled(Cores())
        word(found, 0)
        assert found.has_room(0.0, preferred=False)


def test_while_others_compute_an_end_makes_no_room() -> None:
    cores = Cores()
    cores.computing = 1
    found = filled(cores)
    found.gone(0)
    assert not found.has_room(0.0, preferred=False)
    assert found.room_s(0.0) == WINDOW_S
    found.heard(1)
    assert found.has_room(0.0, preferred=False), "what was heard is no storm"


def test_nor_while_one_is_about_to() -> None:
    found = filled(Cores())
    found.born(alive(99, likely=True))
    found.gone(0)
    found.gone(1)
    assert not found.has_room(0.0, preferred=False)
    found.gone(99)
    assert found.has_room(WINDOW_S, preferred=False)


def test_one_that_is_likely_to_compute_is_born_alone() -> None:
    found = living(Cores())
    found.born(alive(0, likely=True))
    assert not found.has_room(0.0, preferred=False)
    assert found.has_room(0.0, preferred=True), "others that are likely to compute go on"
    assert found.room_s(0.0) == HOLD_S
    assert found.has_room(HOLD_S, preferred=False)
    found.heard(0)
    found.born(alive(1, HOLD_S, likely=True))
    found.heard(1)
    assert not found.has_room(HOLD_S, preferred=False), "it computes now"
    assert found.has_room(2 * HOLD_S, preferred=False)
    found.born(alive(2, 2 * HOLD_S, likely=True))
    found.gone(2)
    assert found.has_room(2 * HOLD_S, preferred=False), "it computed nothing"


def test_requests_that_look_like_idle_ones_are_known() -> None:
    found = living(Cores())
    assert not found.idle((HERE, 490)), "nothing is held against anybody at first"
    found.born(Alive(0, HERE, 0.0, likely=True, said_bytes=490))
    found.gone(0)
    assert found.idle((HERE, 490))
    assert not found.idle((THERE, 490)), "another caller's are another's"
    assert not found.idle((HERE, 491))
    found.born(Alive(1, HERE, 0.0, likely=True, said_bytes=490))
    found.heard(1)
    found.gone(1)
    assert not found.idle((HERE, 490)), "one that looks the same did compute"


def test_what_one_has_had_outlives_its_instances() -> None:
    """Of a storm of short requests none is alive when the next is chosen."""
    found = living(Cores())
    for number in range(3):
        found.born(Alive(number, HERE, 0.0, likely=True, said_bytes=400 + number))
        found.gone(number)
    assert (found.crowd(HERE), found.served(HERE), found.served(THERE)) == (0, (1, 1, 1), (0, 0, 0))
    for number in range(3):
        found.born(Alive(number, HERE, 0.0, likely=True, said_bytes=400 + number))
    assert found.served(HERE) == (4, 1, 1)
    for number in range(3):
        found.heard(number)
    assert found.served(HERE) == (0, 0, 0), "requests that look like these compute"


def test_processes_of_a_user_are_told_apart() -> None:
    """Who waits for its first turn is before a process of the same user whose requests computed nothing."""
    found = living(Cores())
    for number in range(STORM_LOOKS):
        assert not found.storms(THIS)
        found.born(Alive(number, THIS, 0.0, likely=True, said_bytes=400 + number))
        found.gone(number)
    assert found.storms(THIS)
    assert not found.storms(THAT)
    assert not found.storms(HERE), "a user is no process"
    assert found.idled(HERE)
    assert found.served(THERE) < found.served(THAT) < found.served(THIS)
    assert found.served(THAT) < found.served(HERE), "one whose process is not known yet is no newcomer"
    found.born(Alive(99, THAT, 0.0, likely=True))
    assert found.crowd(THIS) == found.crowd(THAT) == 1, "a crowd is a user's"


def test_few_looks_are_kept() -> None:
    found = living(Cores())
    for number in range(LOOKS_KEPT + 10):
        found.born(Alive(number, HERE, 0.0, likely=True, said_bytes=number))
        found.gone(number)
    assert len(found._idle_looks) == LOOKS_KEPT
    assert found._idle_origins == {HERE: LOOKS_KEPT}
    assert not found.idle((HERE, 9))
    assert found.idle((HERE, 10))


def test_the_oldest_of_the_largest_crowd_is_ended(sleeper: Sleeper) -> None:
    found = living(Cores())
    alone, first, second = (sleeper() for _ in range(3))
    for process, origin in ((alone, THERE), (first, HERE), (second, HERE)):
        found.born(alive(process.pid, origin=origin))
    assert not found.oust(GRACE_S - 0.001), "everybody has a grace"
    assert found.oust(GRACE_S)
    assert first.wait(PATIENCE_S) == -signal.SIGTERM
    assert (found.unheard, found.crowd(HERE), found.crowd(THERE), len(found)) == (2, 1, 1, 3)
    assert alone.poll() is None
    assert second.poll() is None


def test_one_that_was_heard_is_not_ended_for_another(sleeper: Sleeper) -> None:
    found = living(Cores())
    found.born(alive(sleeper().pid))
    assert found.unheard == 1
    found.heard(next(iter(found._alive)))
    assert found.unheard == 0
    assert not found.oust(GRACE_S)


def test_one_that_is_stopped_is_killed_after_its_deadline(sleeper: Sleeper) -> None:
    found = living(Cores())
    process = sleeper()
    assert found.due_s() is None, "nobody lives: no reason to wake up"
    os.kill(process.pid, signal.SIGSTOP)
    found.born(alive(process.pid))
    due_s = found.due_s()
    assert due_s == 100 + OVERTIME_S
    found.kill_overdue(due_s - 0.001)
    assert process.poll() is None
    found.kill_overdue(due_s)
    assert process.wait(PATIENCE_S) == -signal.SIGKILL
    assert found.due_s() is None, "it is killed once, and no clock runs for it any more"


def test_a_conversation_has_a_later_deadline(sleeper: Sleeper) -> None:
    found = living(Cores())
    talks, answers = sleeper(), sleeper()
    for process in (talks, answers):
        found.born(alive(process.pid))
        found.heard(process.pid, talks=process is talks)
    assert found.due_s() == 100 + OVERTIME_S
    found.kill_overdue(100 + OVERTIME_S)
    assert answers.wait(PATIENCE_S) == -signal.SIGKILL
    assert (talks.poll(), found.due_s()) == (None, 1000 + OVERTIME_S)


def test_nothing_is_kept_of_the_gone() -> None:
    found = living(Cores())
    for pid in range(100):
        found.born(alive(pid, origin=(bytes([pid]), b"session", b"process")))
        found.gone(pid)
    assert len(found) == found.unheard == 0
    assert len(found._crowds) == len(found._under_way) == 0
