"""P2 gone: an instance's own pages are zero before the kernel takes them, however it ends.

For each ending the reaper itself looks for the canary at the exit stop: it is there before the wipe (positive
control) and not after it. With the wipe off it is there after it as well (mutant).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from promises.talking import Call, connect, say, say_long
from promises.witness import canary
from running import Service, running, state, wait_for

WITNESS = str(Path(__file__).with_name("witness.py"))
PROMPT = f"My reference is {canary()}. Tell me a long story."
GONE_S = 10.0


def watched(home: Path, wipe: str, **env: str) -> Iterator[Service]:
    """A service whose reaper reports what it finds."""
    command = (sys.executable, WITNESS, str(home / "report"), wipe)
    home.mkdir()
    (home / "report").touch()
    with running(home, command=command, env=env) as service:
        yield service


@pytest.fixture(scope="module")
def wiping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from watched(tmp_path_factory.mktemp("p2") / "on", "on")


@pytest.fixture(scope="module")
def mutant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from watched(tmp_path_factory.mktemp("p2") / "off", "off")


def report_on(service: Service, pid: int) -> dict[str, int]:
    """The reaper's line about one instance, once it has written it."""

    def line() -> dict[str, int] | None:
        lines = [json.loads(text) for text in (service.home / "report").read_text().splitlines()]
        return next((one for one in lines if one["pid"] == pid), None)

    found = wait_for(line, GONE_S, f"the report on instance {pid}")
    assert isinstance(found, dict)
    return found


def receipt_of(service: Service, invocation: str) -> dict[str, str]:
    """The row of `noghost receipts` about one invocation that has ended."""

    def row() -> dict[str, str] | None:
        rows = json.loads(service.noghost("receipts", "--json").stdout)
        return next((one["ended"] for one in rows if one["opened"]["id"] == invocation), None)

    found = wait_for(row, GONE_S, "the closed entry")
    assert isinstance(found, dict)
    return found


def the_instance(service: Service) -> int:
    """The only instance alive, once there is no other: one that was before may still be on its way out."""
    found = wait_for(lambda: len(alive := service.instances()) == 1 and alive, GONE_S, "one instance")
    assert isinstance(found, list)
    return int(found[0])


def end_by_answer(_service: Service, call: Call, _pid: int) -> None:
    call.read_all()


def end_by_disconnect(_service: Service, call: Call, _pid: int) -> None:
    call.connection.close()


def end_by_signal(number: int) -> object:
    def end(_service: Service, call: Call, pid: int) -> None:
        os.kill(pid, number)
        call.read_all()

    return end


def end_by_kills(_service: Service, call: Call, pid: int) -> None:
    """`kill -9` again and again, also while the reaper is at work."""
    for _ in range(200):
        if state(pid) not in ("", "Z"):
            os.kill(pid, signal.SIGKILL)
    call.read_all()


ENDINGS = {
    "disconnect": (end_by_disconnect, "disconnected"),
    "SIGTERM": (end_by_signal(signal.SIGTERM), "killed"),
    "SIGKILL": (end_by_signal(signal.SIGKILL), "killed"),
    "SIGKILL again and again": (end_by_kills, "killed"),
    "SIGSEGV": (end_by_signal(signal.SIGSEGV), "crashed"),
    "SIGABRT": (end_by_signal(signal.SIGABRT), "aborted"),
    "time-out": (end_by_signal(signal.SIGALRM), "timeout"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left_whatever_the_ending(wiping: Service, ending: str) -> None:
    end, outcome = ENDINGS[ending]
    with say_long(wiping, PROMPT) as call:
        invocation, pid = call.invocation, the_instance(wiping)
        end(wiping, call, pid)
        found = report_on(wiping, pid)
    assert found["before"] > 0, "the canary must be found before the wipe, or the test looks in the wrong place"
    assert found["after"] == 0
    receipt = receipt_of(wiping, invocation)
    assert (receipt["outcome"], receipt["wipe"]) == (outcome, "verified")


def test_nothing_is_left_after_an_answer(wiping: Service) -> None:
    with say(wiping, PROMPT, max_tokens=8, stream=True) as call:
        pid = the_instance(wiping)
        call.read_all()
        assert b"[DONE]" in call.received
        found = report_on(wiping, pid)
    assert found["before"] > 0
    assert found["after"] == 0
    assert receipt_of(wiping, call.invocation)["outcome"] == "answered"


def test_nothing_is_left_of_a_request_that_was_refused(wiping: Service) -> None:
    with say(wiping, PROMPT, model="none such") as call:
        pid = the_instance(wiping)
        assert b"404" in call.read_all()
        found = report_on(wiping, pid)
    assert found["before"] > 0
    assert found["after"] == 0


def test_nothing_is_left_of_half_a_request(wiping: Service) -> None:
    with connect(wiping) as call:
        call.connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 9999\r\n\r\n" + PROMPT.encode())
        pid = the_instance(wiping)
        wait_for(lambda: unread(call) == 0, GONE_S, "the instance to read it")
        end_by_disconnect(wiping, call, pid)
        found = report_on(wiping, pid)
    assert found["before"] > 0
    assert found["after"] == 0


def unread(call: Call) -> int:
    """Bytes sent that the other side's kernel has not acknowledged: SIOCOUTQ."""
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(call.connection, termios.TIOCOUTQ, b"\0" * 4), sys.byteorder)


def test_the_mutant_that_wipes_nothing_is_found(mutant: Service) -> None:
    with say_long(mutant, PROMPT):
        pid = the_instance(mutant)
        os.kill(pid, signal.SIGKILL)
        found = report_on(mutant, pid)
    assert found["after"] == found["before"] > 0


def test_a_deadline_that_the_kernel_keeps_ends_an_instance(tmp_path: Path) -> None:
    for service in watched(tmp_path / "deadline", "on", WITNESS_DEADLINE_S="3"):
        with say_long(service, PROMPT) as call:
            invocation, pid = call.invocation, the_instance(service)
            call.read_all()
            found = report_on(service, pid)
        assert found["before"] > 0
        assert found["after"] == 0
        assert receipt_of(service, invocation)["outcome"] == "timeout"


def test_the_instance_is_gone_soon_after_its_caller_and_decodes_no_more(service: Service) -> None:
    """200 ms is the promise; bench/endings.py measures it. Here: it ends, long before it could have finished."""
    with say_long(service, PROMPT) as call:
        pid = the_instance(service)
        call.connection.close()
        left = time.monotonic()
        wait_for(lambda: not service.instances(), GONE_S, "the instance to end")
    assert state(pid) == ""
    assert time.monotonic() - left < GONE_S
