"""Load: what says nothing, says it slowly, reads nothing or comes in masses does not keep others from an answer.

No times are asserted here: bench/flood.py measures them. What is asserted is who is alive, who is answered, and who
is ended; for each limit the same situation without it shows the opposite (mutant).
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from api.wire import Reply, ask, connect, get, head, healthy, parse, receive
from promises.talking import Call, say, say_long
from running import SERVE, Service, descriptors, private_bytes, running, state, wait_for

pytestmark = pytest.mark.slow
LIMITED = str(Path(__file__).with_name("limited.py"))
MANY = 500
PATIENCE_S = 30.0
STORY = "Tell me a long story."
HALF = head("GET", "/healthz")[:-2]  # a head that is not yet whole
GROWTH_BYTES = 1_000_000


@contextmanager
def limited(home: Path, limits: dict[str, float], **fields: object) -> Iterator[Service]:
    """A service with these limits."""
    config = json.dumps({"limits": limits, **fields})
    with running(home, command=(sys.executable, LIMITED, config)) as service:
        yield service


def callers(service: Service, stack: ExitStack, count: int, says: bytes = b"") -> list[socket.socket]:
    """So many connections, open as long as the stack is."""
    found = [stack.enter_context(connect(service)) for _ in range(count)]
    for one in found:
        one.sendall(says)
    return found


def alive(service: Service, count: int) -> list[int]:
    """The instances, once there are exactly so many."""

    def found() -> list[int] | None:
        pids = service.instances()
        return pids if len(pids) == count else None

    if count == 0:
        wait_for(lambda: not service.instances(), PATIENCE_S, "no instance")
        return []
    pids = wait_for(found, PATIENCE_S, f"{count} instances")
    assert isinstance(pids, list)
    return pids


def outcome_of(service: Service, invocation: str) -> str:
    """As its receipt says, once it has one."""

    def row() -> str | None:
        rows = json.loads(service.noghost("receipts", "--json").stdout)
        return next((one["ended"]["outcome"] for one in rows if one["opened"]["id"] == invocation), None)

    return str(wait_for(row, PATIENCE_S, "the closed entry"))


def told_to_come_back(reply: Reply, code: str) -> bool:
    return (reply.status, reply.error["code"], reply.headers["retry-after"]) == (503, code, "1")


# --- silence --------------------------------------------------------------------------------------------------


def test_500_silent_connections_have_no_process_and_leave_no_trace(service: Service) -> None:
    assert healthy(service)
    alive(service, 0)
    before = descriptors(service.pid)
    with ExitStack() as stack:
        callers(service, stack, MANY)
        wait_for(lambda: descriptors(service.pid) >= before + MANY, PATIENCE_S, "all to be let in")
        memory = private_bytes(service.pid)
        assert service.instances() == []
        assert ask(service).status == 200
        assert service.instances() == [] or alive(service, 0) == []
    wait_for(lambda: descriptors(service.pid) == before, PATIENCE_S, "all to be forgotten")
    assert private_bytes(service.pid) - memory < GROWTH_BYTES


def test_above_the_limit_the_longest_silence_makes_room(tmp_path: Path) -> None:
    with limited(tmp_path, {"silent": 3}) as service, ExitStack() as stack:
        first, *others = callers(service, stack, 3)
        assert healthy(service), "there is always room for one that speaks"
        assert first.recv(1) == b"", "the oldest was closed"
        assert select.select(others, [], [], 0)[0] == []


def test_who_leaves_without_a_word_is_not_born(tmp_path: Path) -> None:
    """Counted by the reaper, which sees every end."""
    witness = str(Path(__file__).with_name("witness.py"))
    with running(tmp_path, command=(sys.executable, witness, str(tmp_path / "report"), "count")) as service:
        alive(service, 0)
        before = wiped(service)
        for _ in range(50):
            connect(service).close()
        assert healthy(service)
        wait_for(lambda: wiped(service) > before, PATIENCE_S, "the one that spoke to be wiped")
        assert wiped(service) == before + 1


def wiped(service: Service) -> int:
    return len((service.home / "report").read_text().split())


def test_descriptors_for_all_of_them_are_asked_for(tmp_path: Path) -> None:
    """A shell often allows 1024."""
    command = ("sh", "-c", 'ulimit -Sn 200; exec "$@"', "sh", *SERVE)
    with running(tmp_path, command=command) as service, ExitStack() as stack:
        callers(service, stack, MANY)
        wait_for(lambda: descriptors(service.pid) > MANY, PATIENCE_S, "all to be let in")
        assert healthy(service)


# --- slowness -------------------------------------------------------------------------------------------------


def test_slow_talkers_above_the_limit_are_ended_oldest_first(tmp_path: Path) -> None:
    with limited(tmp_path, {"unheard": 3}) as service, ExitStack() as stack:
        slow = callers(service, stack, 1, HALF)
        (oldest,) = alive(service, 1)
        slow += callers(service, stack, 2, HALF)
        alive(service, 3)
        assert healthy(service)
        wait_for(lambda: state(oldest) == "", PATIENCE_S, "the oldest to be gone")
        assert rest(slow[0]) == b""
        slow[2].sendall(b"\r\n")
        assert receive(slow[2]).status == 200, "one that was not the oldest can still finish"


def rest(connection: socket.socket) -> bytes:
    """What the service said before it closed, or reset."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def test_mutant_without_that_limit_they_all_stay(tmp_path: Path) -> None:
    with limited(tmp_path, {"unheard": 1000}) as service, ExitStack() as stack:
        callers(service, stack, 4, HALF)
        alive(service, 4)
        assert healthy(service)
        alive(service, 4)


def test_a_trickle_ends_nobody(tmp_path: Path) -> None:
    """A byte cannot be a request: it waits."""
    with limited(tmp_path, {"unheard": 1}) as service, ExitStack() as stack:
        (held,) = callers(service, stack, 1, HALF)
        (holder,) = alive(service, 1)
        (trickle,) = callers(service, stack, 1, b"G")
        select.select([trickle, held], [], [], 2.0)  # longer than the grace, in which nobody is ended
        assert service.instances() == [holder]
        held.close()
        trickle.sendall(head("GET", "/healthz")[1:])
        assert receive(trickle).status == 200


# --- too many -------------------------------------------------------------------------------------------------


def test_above_the_instances_callers_are_told_to_come_back(tmp_path: Path) -> None:
    with limited(tmp_path, {"instances": 2}) as service, ExitStack() as stack:
        stack.enter_context(say_long(service, STORY))
        second = stack.enter_context(say_long(service, STORY))
        assert told_to_come_back(get(service, "/healthz"), "busy")
        assert told_to_come_back(ask(service), "busy")
        second.connection.close()
        alive(service, 1)
        assert healthy(service)


def test_mutant_without_that_limit_they_are_answered(tmp_path: Path) -> None:
    with limited(tmp_path, {"instances": 4}) as service, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(say_long(service, STORY))
        assert healthy(service)


def test_above_the_queue_callers_are_told_to_come_back(tmp_path: Path) -> None:
    with limited(tmp_path, {"queue": 1}, seats=1) as service, ExitStack() as stack:
        first = stack.enter_context(say_long(service, STORY))
        waiting = stack.enter_context(say(service, STORY, max_tokens=1))
        alive(service, 2)
        third: Call | None = None
        replies = []
        while not replies:  # the second and the third may ask for a seat in either order
            third = stack.enter_context(say(service, STORY, max_tokens=1))
            ready = select.select([waiting.connection, third.connection], [], [], PATIENCE_S)[0]
            replies = [parse(call.read_all()) for call in (waiting, third) if call.connection in ready]
        assert told_to_come_back(replies[0], "queue_full")
        first.connection.close()
        other = third if third is not None and not third.received else waiting
        assert parse(other.read_all()).status == 200
        rows = json.loads(service.noghost("receipts", "--json").stdout)
        assert replies[0].headers["noghost-instance"] not in {row["opened"]["id"] for row in rows}


# --- readers --------------------------------------------------------------------------------------------------


def say_with_small_window(service: Service) -> socket.socket:
    """A long streamed answer to a caller that has room for 2 KiB of it."""
    body = json.dumps({"messages": [{"role": "user", "content": STORY}], "stream": True, "ignore_eos": True}).encode()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    connection.settimeout(PATIENCE_S)
    connection.connect(("127.0.0.1", service.port))
    length = f"Content-Length: {len(body)}"
    connection.sendall(head("POST", "/v1/chat/completions", "Content-Type: application/json", length) + body)
    return connection


def test_a_caller_that_reads_nothing_is_cut_off(tmp_path: Path) -> None:
    with limited(tmp_path, {"stall_s": 1.0}) as service, say_with_small_window(service) as connection:
        invocation = connection.recv(1024).partition(b"noghost-instance: ")[2][:32].decode()
        alive(service, 1)
        alive(service, 0)
        assert outcome_of(service, invocation) == "timeout"
        with pytest.raises(ConnectionResetError):
            receive(connection)


def test_a_caller_that_reads_slowly_is_not_cut_off(tmp_path: Path) -> None:
    """It takes a little again and again, for longer than the limit, and all of it arrives."""
    with limited(tmp_path, {"stall_s": 1.0}) as service, say_with_small_window(service) as connection:
        received = bytearray(connection.recv(1024))
        for _ in range(50):
            select.select([], [], [], 0.1)  # the pace of a slow reader, 5 times the limit in all
            received += connection.recv(1024)
        assert len(service.instances()) == 1 or b"[DONE]" in received
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        while piece := connection.recv(65536):
            received += piece
        assert b"data: [DONE]" in received


# --- time -----------------------------------------------------------------------------------------------------


def test_a_stopped_instance_is_killed_after_its_deadline_and_its_seat_is_free(tmp_path: Path) -> None:
    with limited(tmp_path, {"invocation_s": 3}, seats=1) as service, say_long(service, STORY) as call:
        (pid,) = alive(service, 1)
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: state(pid) in ("t", "T"), PATIENCE_S, "it to stop")
        alive(service, 0)
        assert outcome_of(service, call.invocation) == "killed"
        assert ask(service).status == 200
