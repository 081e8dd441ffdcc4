"""`noghost serve --idle-exit`: the door alone is left, and the knock that wakes the service is answered."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.certificates import write_pair
from noghost.client.status import counters, difference
from noghost.weights.find import find
from promises.talking import Call, say, say_long
from running import (
    SERVE,
    Service,
    children,
    descriptors,
    private_bytes,
    private_environment,
    running,
    state,
    title,
    wait_for,
)

IDLE = ("--idle-exit", "0.3", "--context", "512")
MOST_BYTES = 12_000_000
MARK = "zyxomma petiolata"  # a dragonfly: in no text but this test's
pytestmark = pytest.mark.slow  # services that start and end again


def wardens(door: Service) -> list[int]:
    """Services behind the door, alive."""
    return [pid for pid in children(door.pid) if state(pid) not in ("Z", "")]


def deep(door: Service) -> None:
    """Until nothing but the door is left."""
    wait_for(lambda: not wardens(door), 30, "deep idle")


def awake(door: Service) -> int:
    """The warden, once it is one."""
    found = wait_for(lambda: [pid for pid in wardens(door) if title(pid) == "noghost: warden"], 30, "a warden")
    assert isinstance(found, list)
    return int(found[0])


def ask(door: Service, text: str = "Say yes.") -> bytes:
    """A short answer, whole."""
    with say(door, text, max_tokens=2) as call:
        return call.read_all()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service behind a door; `pid` is the door's."""
    with running(tmp_path_factory.mktemp("door"), *IDLE) as found:
        yield found


def test_in_deep_idle_there_is_the_door_alone_and_it_does_nothing(door: Service) -> None:
    deep(door)
    assert title(door.pid) == "noghost: door"
    assert children(door.pid) == []
    assert private_bytes(door.pid) <= MOST_BYTES
    before = counters(door.pid)
    time.sleep(1)
    did = difference(before, counters(door.pid))
    assert (did.wakeups, did.cpu_ms) == (0, 0)


def test_control_a_knock_wakes_the_door(door: Service) -> None:
    deep(door)
    before = counters(door.pid)
    assert b"200 OK" in ask(door)
    assert difference(before, counters(door.pid)).wakeups > 0


def test_the_knock_that_wakes_it_is_answered_five_times_and_nothing_is_left_over(door: Service) -> None:
    deep(door)
    before, seen = descriptors(door.pid), []
    for _ in range(5):
        with say(door, "Say yes.", max_tokens=2) as call:
            seen.append(awake(door))
            assert b'"finish_reason"' in call.read_all()
        deep(door)
        assert descriptors(door.pid) == before
    assert len(set(seen)) == 5, "each time a service that was not there before"
    assert "service_failed" not in door.log


def test_the_door_never_had_what_was_said(door: Service) -> None:
    deep(door)
    with say(door, f"Repeat: {MARK}", max_tokens=2) as call:
        assert b"200 OK" in call.read_all()
    assert not holds(door.pid, MARK.encode())
    assert holds(door.pid, b"noghost.warden.doorkeeper"), "control: the search finds what is there"
    assert holds(os.getpid(), MARK.encode()), "control: the search finds the words where they are"
    mapped = Path(f"/proc/{door.pid}/maps").read_text()
    assert "gguf" not in mapped
    assert "_socket" not in mapped, "it cannot accept or read: it has no socket module"


def holds(pid: int, wanted: bytes) -> bool:
    """Whether a process's memory has these bytes."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end = (int(one, 16) for one in line.split()[0].split("-"))
            if line.split()[1].startswith("rw"):
                try:
                    memory.seek(start)
                    if wanted in memory.read(end - start):
                        return True
                except (OSError, ValueError, OverflowError):
                    continue
    return False


def test_the_gap_is_known_from_the_ledger(door: Service) -> None:
    ask(door)
    deep(door)
    text = door.noghost("status", "--watch", "0.1").stdout
    assert "last invocation ended 20" in text  # other services on this machine may have instances just now
    assert re.search(rf"door +pid {door.pid} ", text)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_killed_service_is_followed_by_another(tmp_path: Path, busy: bool) -> None:
    with running(tmp_path, "--idle-exit", "30", "--context", "512") as door:
        first = awake(door)
        call: Call | None = say_long(door, "Tell me a long story.") if busy else None
        os.kill(first, signal.SIGKILL)
        if call is not None:
            call.read_all()
            call.connection.close()
        assert b"200 OK" in ask(door)
        assert awake(door) != first
        assert "service_failed: status=137 pause_s=1" in door.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_door_ends_all_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, "--idle-exit", "30", "--context", "512") as door:
        warden = awake(door)
        everybody = [warden, *children(warden)]
        door.process.send_signal(number)
        assert door.process.wait(30) == 0
        assert [pid for pid in everybody if state(pid) not in ("Z", "")] == []
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", door.port), 5)


def test_a_signal_in_deep_idle_ends_the_door(tmp_path: Path) -> None:
    with running(tmp_path, *IDLE) as door:
        deep(door)
        assert door.stop() == 0


def test_a_service_does_not_outlive_its_door(tmp_path: Path) -> None:
    with running(tmp_path, "--idle-exit", "30", "--context", "512") as door:
        warden = awake(door)
        door.process.kill()
        wait_for(lambda: state(warden) in ("Z", ""), 30, "its end")


def test_what_cannot_start_at_first_says_why_and_ends(tmp_path: Path) -> None:
    command = [*SERVE, "--port", "0", *IDLE, "--model", str(tmp_path / "none.gguf")]
    done = subprocess.run(command, env=private_environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "none.gguf" in done.stderr


def test_what_cannot_start_later_is_tried_again_with_pauses_and_then_answers(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    shutil.copy(find().path, model)
    with running(tmp_path / "home", *IDLE, "--model", str(model)) as door:
        deep(door)
        model.rename(tmp_path / "away")
        with say(door, "Say yes.", max_tokens=2) as call:
            wait_for(lambda: "pause_s=2" in door.log, 30, "two failures")
            (tmp_path / "away").rename(model)
            assert b"200 OK" in call.read_all(), "the connection waited, and is answered"
        assert re.findall(r"service_failed: status=1 pause_s=(\d+)", door.log) in (["1", "2"], ["1", "2", "4"])
        assert str(model) in door.log, "and why is said"


def test_a_unix_socket_is_the_same_file_over_deep_idle_and_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with running(tmp_path / "home", *IDLE, "--unix", str(path)) as door:
        before = path.lstat()
        for _ in range(2):
            deep(door)
            with socket.socket(socket.AF_UNIX) as caller:
                caller.settimeout(60)
                caller.connect(str(path))
                caller.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                assert b"200 OK" in Call(caller).read_all()
        assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
        assert door.stop() == 0
    assert not path.exists()


def test_what_ends_without_a_word_has_failed(tmp_path: Path) -> None:
    """Else a command that does nothing would be started again and again for one waiting caller."""
    keep = (
        "import sys; from noghost.config import Config; from noghost.warden.door import open_door;"
        "from noghost.warden.activation import become_doorkeeper;"
        "become_doorkeeper(open_door(Config(port=0)), [sys.executable, '-c', ''])"
    )
    done = subprocess.run([sys.executable, "-c", keep], env=private_environment(tmp_path), timeout=60)
    assert done.returncode == 1


def test_a_given_certificate_is_the_same_after_deep_idle(tmp_path: Path) -> None:
    with running(tmp_path / "home", *IDLE, *write_pair(tmp_path)) as door:
        seen = set()
        for _ in range(2):
            deep(door)
            seen.add(ssl.get_server_certificate(("127.0.0.1", door.port), timeout=60))
        assert len(seen) == 1
        key = (tmp_path / "key.pem").read_bytes().splitlines()[1]
        assert not holds(door.pid, key), "the door has no key"


def test_a_certificate_that_would_change_is_refused(tmp_path: Path) -> None:
    command = [*SERVE, "--port", "0", *IDLE, "--tls"]
    done = subprocess.run(command, env=private_environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "hint: give --tls-cert and --tls-key" in done.stderr
