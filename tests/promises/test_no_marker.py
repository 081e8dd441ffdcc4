"""What a caller sends stands in no log, no error, no ledger, no core, no process title; nor does a key or an address.

One marker goes to a service that asks for API keys, in every place of a request. Positive controls: the reaper finds
the marker in every instance before it wipes it; each search finds a marker that was planted where it looks.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from noghost.client.hunt import count_in_file, needles_for
from noghost.keys.key import KEY
from noghost.keys.store import Store
from promises.talking import TIMEOUT_S, Call
from promises.witness import canary
from running import Service, children, running, wait_for

pytestmark = pytest.mark.slow
WITNESS = str(Path(__file__).with_name("witness.py"))
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
HOLDER = "qelvorp-holder-8613"  # the key's name, which the operator gave
ADDRESS = "127.86.13.42"  # the caller's: all of 127/8 is loopback
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
GONE_S = 20.0
CHAT, MODELS = "POST /v1/chat/completions", "GET /v1/models"


@dataclass
class After:
    """What is left of it all, once the service has ended."""

    home: Path
    key: str = field(repr=False)
    replies: dict[str, bytes] = field(default_factory=dict)
    shown: dict[str, bytes] = field(default_factory=dict)  # by what /proc shows it as, while an instance computes
    reports: list[dict[str, int]] = field(default_factory=list)  # of the reaper, on each instance that had the marker


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> After:
    home = tmp_path_factory.mktemp("marked")
    key, _ = Store(home / "noghost" / "keys" / "hashes").add(HOLDER)
    (home / "report").touch()
    (home / "tmp").mkdir()
    found = After(home, key)
    command = (sys.executable, WITNESS, str(home / "report"), "on")
    with running(home, command=command, env={"WITNESS_KEYS": "1", "TMPDIR": str(home / "tmp")}) as service:
        for name, request in requests(key).items():
            with send(service, *request) as call:
                found.replies[name] = call.read_all()
        service.noghost("keys", "add", "another")
        wait_for(lambda: not service.instances(), GONE_S, "those that ended to be searched and wiped")
        for ending in (signal.SIGKILL, signal.SIGSEGV):
            with say_long(service, key) as call:
                found.shown |= {name: data for pid in family(service) for name, data in shown(pid)}
                os.kill(the_instance(service), ending)
                found.replies[ending.name] = call.read_all()
            wait_for(lambda: not service.instances(), GONE_S, "the end")
        wait_for(lambda: len(reports(home)) == len(found.replies), GONE_S, "a report on each instance")
        found.reports = reports(home)
        assert service.stop() == 0
    return found


def requests(key: str) -> dict[str, tuple[str, list[str], bytes]]:
    """By the marker's place: request line without version, header lines, body."""
    marker, own = canary(), f"Authorization: Bearer {key}"
    wrong_key = "ng-aaaaaaaa-" + marker[:43]
    assert KEY.fullmatch(wrong_key)
    asked = {"messages": [{"role": "user", "content": f"Say this: {marker}"}], "max_tokens": 4}
    return {
        "prompt": (CHAT, [own], json.dumps(asked).encode()),
        "model": (CHAT, [own], json.dumps(asked | {"model": marker}).encode()),
        "malformed body": (CHAT, [own], b'{"messages": ' + marker.encode()),
        "unknown field": (CHAT, [own], json.dumps(asked | {marker: marker, "temperature": marker}).encode()),
        "header": (MODELS, [own, f"User-Agent: {marker}", f"{marker}: {marker}", f"Cookie: a={marker}"], b""),
        "host": (MODELS, [own, f"Host: {marker}"], b""),
        "query": (f"{MODELS}?q={marker}", [own], b""),
        "path": (f"{MODELS}/{marker}", [own], b""),
        "wrong key": (MODELS, [f"Authorization: Bearer {wrong_key}"], b""),
        "no key at all": (MODELS, [f"X-Api-Key: {marker}"], b""),
        "not HTTP": (marker, [], marker.encode()),
    }


def send(service: Service, line: str, headers: list[str], body: bytes) -> Call:
    """One whole request, from ADDRESS."""
    connection = socket.create_connection(("127.0.0.1", service.port), TIMEOUT_S, source_address=(ADDRESS, 0))
    host = [] if any(header.startswith("Host:") for header in headers) else ["Host: localhost"]
    kind = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    connection.sendall("\r\n".join([f"{line} HTTP/1.1", *host, *kind, *headers, "", ""]).encode() + body)
    return Call(connection)


def say_long(service: Service, key: str) -> Call:
    """A streamed answer to the marker that goes on until it is ended; some of it has arrived."""
    asked = {"messages": [{"role": "user", "content": canary()}], "stream": True, "ignore_eos": True}
    body = json.dumps(asked | {"max_tokens": 1500}).encode()
    call = send(service, CHAT, [f"Authorization: Bearer {key}"], body)
    call.read_until(b'"delta":{"content":')
    return call


def reports(home: Path) -> list[dict[str, int]]:
    """The reaper's on each instance but the one that the service tries at its start."""
    return [json.loads(line) for line in (home / "report").read_text().splitlines()][1:]


def the_instance(service: Service) -> int:
    found = service.instances()
    assert len(found) == 1
    return found[0]


def family(service: Service) -> list[int]:
    """Warden, reaper, instances."""
    return [service.pid, *children(service.pid)]


def shown(pid: int) -> Iterator[tuple[str, bytes]]:
    """(name, text) of what /proc shows of a process besides its memory; what may not be read is not there."""
    folder = Path(f"/proc/{pid}")
    for path in (folder / "cmdline", folder / "comm", folder / "environ", *folder.glob("task/*/comm")):
        try:
            yield str(path), path.read_bytes()
        except PermissionError:
            assert path.name == "environ", "an undumpable process hides that alone"
    for path in (folder / "cwd", folder / "root", *(folder.glob("fd/*"))):
        try:
            yield str(path), os.fsencode(path.readlink())
        except (PermissionError, FileNotFoundError):
            assert os.geteuid() != 0 or path.parent.name == "fd"


def copies_in(folder: Path, text: str) -> list[str]:
    """Files under `folder` with a copy of `text`, or of a part of it, in any encoding that the hunter knows."""
    needles = needles_for(text)
    assert needles
    return [path.name for path in sorted(folder.rglob("*")) if path.is_file() and count_in_file(path, needles)]


def files_with(folder: Path, text: str) -> list[str]:
    """As `copies_in`, for words that are too short for the hunter: as they are, in whatever case."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path.name for path in found if text.encode().lower() in path.read_bytes().lower()]


def test_control_every_request_reached_an_instance_and_none_outlived_it(after: After) -> None:
    assert [report["pid"] for report in after.reports if not report["before"]] == []
    assert [report["pid"] for report in after.reports if report["after"]] == []
    assert all(report["wiped_bytes"] for report in after.reports)


def test_every_request_was_answered_as_it_should_be(after: After) -> None:
    """The control of all below: nothing was turned away before the marker could have got anywhere."""
    told = {name: reply.split(b" ", 2)[1] for name, reply in after.replies.items()}
    assert told == {
        "prompt": b"200",
        "model": b"404",
        "malformed body": b"400",
        "unknown field": b"400",
        "header": b"200",
        "host": b"421",
        "query": b"200",
        "path": b"404",
        "wrong key": b"401",
        "no key at all": b"401",
        "not HTTP": b"400",
        "SIGKILL": b"200",
        "SIGSEGV": b"200",
    }


def test_no_file_and_no_log_holds_the_marker_or_a_key(after: After) -> None:
    names = {path.name for path in after.home.rglob("*") if path.is_file()}
    assert {"stdout", "stderr", "checkpoint", "hashes"} <= names
    assert "keys_read" in (after.home / "stderr").read_text(), "the log was written to"
    assert copies_in(after.home, canary()) == []
    assert copies_in(after.home, after.key) == []
    assert copies_in(after.home, after.key[12:]) == []


def test_which_key_it_was_and_who_called_is_written_nowhere(after: After) -> None:
    assert files_with(after.home, after.key[3:11]) == ["hashes"]
    assert files_with(after.home, HOLDER) == ["hashes"]
    assert files_with(after.home, ADDRESS) == []


def test_no_refusal_repeats_anything(after: After) -> None:
    for name, reply in after.replies.items():
        if name not in ("prompt", "SIGKILL", "SIGSEGV"):
            assert canary()[:12] not in reply.decode().lower(), name
            assert after.key not in reply.decode(), name


def test_no_process_shows_it(after: After) -> None:
    assert {b"noghost: warden", b"noghost: reaper", b"noghost: instance"} <= {
        data.rstrip(b"\0") for name, data in after.shown.items() if name.endswith("cmdline")
    }
    for name, data in after.shown.items():
        for secret in (canary()[:12], after.key[12:], after.key[3:11], HOLDER, ADDRESS):
            assert secret.encode() not in data, name


def test_control_the_searches_find_what_was_planted(tmp_path: Path) -> None:
    marker = canary()
    for encoding in ("utf-8", "utf-16-le"):
        (tmp_path / encoding).write_bytes(b"x" * 5000 + marker.encode(encoding))
    assert copies_in(tmp_path, marker) == ["utf-16-le", "utf-8"]
    assert files_with(tmp_path, marker[:12].upper()) == ["utf-8"]
    code = "import sys; sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, marker], env={"PLANTED": marker}, stdin=subprocess.PIPE
    ) as planted:
        # exec(2) tells its caller of success before the kernel shows the new arguments
        wait_for(lambda: marker.encode() in Path(f"/proc/{planted.pid}/cmdline").read_bytes(), GONE_S, "its title")
        found = [name.rpartition("/")[2] for name, data in shown(planted.pid) if marker.encode() in data]
        assert found == ["cmdline", "environ"]


# --- core dumps -----------------------------------------------------------------------------------------------


def test_an_instance_may_not_dump_core(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(b"GET ")
        wait_for(service.instances, GONE_S, "an instance")
        limit = (0, 0)
        confined = lambda: resource.prlimit(the_instance(service), resource.RLIMIT_CORE) == limit  # noqa: E731
        wait_for(confined, GONE_S, "its confinement")
        if os.geteuid() != 0:
            assert Path(f"/proc/{the_instance(service)}").stat().st_uid == 0, "undumpable"


@contextmanager
def cores_to(folder: Path, *, piped: bool) -> Iterator[None]:
    """The kernel writes cores into `folder`, or pipes them to a program that does; the old pattern comes back."""
    taker = folder / "take"
    taker.write_text('#!/bin/sh\nexec cat >"${0%/*}/core.$1"\n')
    taker.chmod(0o700)
    old = CORE_PATTERN.read_text()
    CORE_PATTERN.write_text(f"|{taker} %p" if piped else f"{folder}/core.%p")
    try:
        yield
    finally:
        CORE_PATTERN.write_text(old)


@pytest.mark.skipif(not os.access(CORE_PATTERN, os.W_OK), reason="only root may change the kernel's core pattern")
@pytest.mark.parametrize("piped", [True, False], ids=["pipe", "file"])
def test_a_fault_in_an_answer_leaves_no_core(tmp_path: Path, piped: bool) -> None:
    """A pipe gets a core whatever RLIMIT_CORE says: there it is that the instance is undumpable. The service itself
    may dump as much as it likes, so that nothing but the instance's own confinement is in the way of it."""
    folder = tmp_path / "cores"
    folder.mkdir(mode=0o700)
    with cores_to(folder, piped=piped), running(tmp_path / "home") as service:
        resource.prlimit(service.pid, resource.RLIMIT_CORE, UNLIMITED)
        with say_long(service, "none") as call:
            os.kill(the_instance(service), signal.SIGSEGV)
            call.read_all()
        wait_for(lambda: not service.instances(), GONE_S, "the end")
        control = f"core.{crash_with_the_marker()}"
        wait_for(lambda: control in copies_in(folder, canary()), GONE_S, "the control's core")
        assert copies_in(folder, canary()) == [control]


def crash_with_the_marker() -> int:
    """A process that has the marker in its memory and faults; its pid."""
    code = "import os, sys; marker = sys.stdin.read(); os.kill(os.getpid(), 11)"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True)
    resource.prlimit(process.pid, resource.RLIMIT_CORE, UNLIMITED)
    process.communicate(canary(), timeout=30)
    assert process.returncode == -signal.SIGSEGV
    return process.pid
