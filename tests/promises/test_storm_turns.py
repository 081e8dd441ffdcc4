"""A storm: one program of a user's asks again and again, and takes its own turns, not those of the user's others.

No time is asserted: what is counted is how many of the storm are answered between another program's question and the
first byte of its answer. Mutant: a service that does not tell processes apart, in which it waits for all of them.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import pytest

from api.wire import connect, head
from promises.talking import say
from running import Service, running, wait_for

pytestmark = pytest.mark.slow
UNTOLD = (sys.executable, str(Path(__file__).with_name("untold.py")))
CALLERS = 48
SETTLED = 3 * CALLERS  # so many answers: what they ask is known by then
PATIENCE_S = 60.0
CHILD = multiprocessing.get_context("fork")


def storm(service: Service, answered: Synchronized[int]) -> None:
    """So many callers, each with requests of ever another length, that compute nothing."""
    for _ in range(CALLERS):
        threading.Thread(target=ask_on, args=(service, answered), daemon=True).start()
    threading.Event().wait()


def ask_on(service: Service, answered: Synchronized[int]) -> None:
    while True:
        with suppress(OSError), connect(service) as connection:
            connection.sendall(head("GET", "/healthz", f"User-Agent: {'a' * random.randrange(100, 4000)}"))
            while connection.recv(65536):
                pass
            with answered.get_lock():
                answered.value += 1


@contextmanager
def storming(service: Service) -> Iterator[Synchronized[int]]:
    """While it goes on; how many of its requests have been answered."""
    answered: Synchronized[int] = CHILD.Value("i", 0)
    child = CHILD.Process(target=storm, args=(service, answered))
    child.start()
    try:
        wait_for(lambda: answered.value >= SETTLED, PATIENCE_S, "the storm")
        yield answered
    finally:
        child.kill()
        child.join()


def turns_before_an_answer(service: Service) -> int:
    """The fewest of a few questions."""
    turns = []
    with storming(service) as answered:
        for _ in range(3):
            before = answered.value
            with say(service, "Hi.", max_tokens=1) as call:
                assert b" 200 " in call.read_until(b"\r\n")
                turns.append(answered.value - before)
    return min(turns)


def test_a_storm_takes_its_own_turns(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        assert turns_before_an_answer(service) < CALLERS // 3


def test_mutant_without_being_told_apart_it_waits_for_all_of_them(tmp_path: Path) -> None:
    with running(tmp_path, command=UNTOLD) as service:
        assert turns_before_an_answer(service) >= CALLERS // 2
