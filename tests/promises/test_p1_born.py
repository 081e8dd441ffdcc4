"""P1 born: every request is answered by a process that did not exist before and serves no other.

10,000 small requests and 200 completions: as many processes, no zombie, no growth in warden and reaper.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from promises.talking import connect, say
from running import Service, children, descriptors, private_bytes, running, state, wait_for

WITNESS = str(Path(__file__).with_name("witness.py"))
SMALL = 10_000
WARM_UP = 500
COMPLETIONS = 200
LOOKS = 10
LOOK_S = 0.05
GROWTH_BYTES = 1_000_000  # pages that a process touches for the first time late; a leak of 100 bytes a request shows


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose reaper writes down the process id of each instance that it wiped."""
    home = tmp_path_factory.mktemp("p1")
    with running(home, command=(sys.executable, WITNESS, str(home / "report"), "count")) as service:
        yield service


def wiped(service: Service) -> list[str]:
    """Process ids so far."""
    return (service.home / "report").read_text().split()


def ask_for_health(service: Service) -> None:
    with connect(service) as call:
        call.connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert call.read_all().startswith(b"HTTP/1.1 200 ")


def footprint(service: Service) -> tuple[int, int]:
    """(private bytes, descriptors) of warden and reaper together, once the reaper has put away the last instance: an
    instance is gone a moment before its windows are closed."""
    both = (service.pid, service.reaper_pid)
    wait_for(lambda: len({open_now(both) for _ in range(LOOKS)}) == 1, 10, "the reaper to close what it held")
    return sum(map(private_bytes, both)), sum(map(descriptors, both))


def open_now(pids: tuple[int, int]) -> int:
    """Descriptors of both, a moment later."""
    time.sleep(LOOK_S)
    return sum(map(descriptors, pids))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_10000_requests_10000_processes_and_nothing_grows(counted: Service) -> None:
    for _ in range(WARM_UP):
        ask_for_health(counted)
    wait_for(lambda: not counted.instances(), 10, "the warm-up to end")
    before_bytes, before_descriptors = footprint(counted)
    already = len(wiped(counted))
    for _ in range(SMALL):
        ask_for_health(counted)
    wait_for(lambda: len(wiped(counted)) == already + SMALL, 10, "every instance to be wiped")
    assert len(set(wiped(counted)[already:])) == SMALL
    after_bytes, after_descriptors = footprint(counted)
    assert after_descriptors == before_descriptors
    assert after_bytes - before_bytes < GROWTH_BYTES
    assert no_zombies(counted)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_200_completions_200_processes_and_nothing_grows(counted: Service) -> None:
    complete(counted, 20)
    before_bytes, before_descriptors = footprint(counted)
    already = len(wiped(counted))
    complete(counted, COMPLETIONS)
    wait_for(lambda: len(wiped(counted)) == already + COMPLETIONS, 10, "every instance to be wiped")
    assert len(set(wiped(counted)[already:])) == COMPLETIONS
    after_bytes, after_descriptors = footprint(counted)
    assert after_descriptors == before_descriptors
    assert after_bytes - before_bytes < GROWTH_BYTES
    assert no_zombies(counted)
    ends = [row["ended"] for row in json.loads(counted.noghost("receipts", "--json").stdout)]
    assert len(ends) >= COMPLETIONS
    assert {(end["outcome"], end["wipe"]) for end in ends} == {("answered", "verified")}
    assert all(end["prompt_tokens"] and end["answer_tokens"] for end in ends), "every last word was heard"


def complete(service: Service, count: int) -> None:
    """So many short completions, one after another."""
    for number in range(count):
        with say(service, f"Count to {number}.", max_tokens=2) as call:
            assert b'"finish_reason":' in call.read_all()
    wait_for(lambda: not service.instances(), 10, "the instances to end")


def no_zombies(service: Service) -> bool:
    return all(state(pid) != "Z" for pid in children(service.pid))


def test_two_requests_at_once_are_two_processes(service: Service) -> None:
    with connect(service) as one, connect(service) as other:
        for call in (one, other):
            call.connection.sendall(b"G")
        found = wait_for(lambda: len(service.instances()) == 2 and service.instances(), 10, "two instances")
        assert isinstance(found, list)
        assert len(set(found)) == 2
