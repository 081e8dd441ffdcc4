"""What the warden puts off until nobody is here, and that whoever comes before it lacks nothing."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from promises.talking import Call
from running import PYTHON, SERVE, private_bytes, private_environment, wait_for
from warden.test_activation import GET, get, listening, start

CACHE_BYTES = 180 << 20  # of 8,192 tokens of the default model: cleared, and given back at leisure
IDLE_BYTES = 100 << 20


@pytest.mark.slow
@pytest.mark.parametrize("knocks", [False, True], ids=["before anybody comes", "after the first answer"])
def test_the_cleared_cache_is_given_back(tmp_path: Path, knocks: bool) -> None:
    """Where somebody knocked before it listened, that one is answered first."""
    with listening() as supervisor, start(tmp_path, supervisor, "--context", "8192") as warden:
        if knocks:
            assert b"200 OK" in get(supervisor.getsockname()[1])
        assert warden.stdout is not None
        assert warden.stdout.readline().startswith("listening on ")
        wait_for(lambda: 0 < private_bytes(warden.pid) < IDLE_BYTES, 10, "the cache to be given back")
        warden.terminate()


@pytest.mark.slow
def test_control_it_was_there(tmp_path: Path) -> None:
    """The warden had all of it in its memory once: its peak says so."""
    with listening() as supervisor, start(tmp_path, supervisor, "--context", "8192") as warden:
        assert warden.stdout is not None
        warden.stdout.readline()
        status = Path(f"/proc/{warden.pid}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
        warden.terminate()
    assert peak > CACHE_BYTES


REHEARSING: tuple[str, ...] = (PYTHON, str(Path(__file__).with_name("rehearsing.py")), "serve")
LIMITED = "import os, resource as r, sys; r.setrlimit(r.RLIMIT_NOFILE, (64, 64)); os.execv(sys.argv[1], sys.argv[1:])"
SHORT_OF = (PYTHON, "-c", LIMITED, *REHEARSING)
SHORT = {"max_tokens": 4, "temperature": 0}
HI = [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": False}
HELD = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": SCHEMA}}
TOOL = {"type": "function", "function": {"name": "look", "description": "look", "parameters": SCHEMA}}
FIRST = {
    "chat": ("/v1/chat/completions", SHORT | {"messages": HI}),
    "stream": ("/v1/chat/completions", SHORT | {"messages": HI, "stream": True}),
    "schema": ("/v1/chat/completions", SHORT | {"messages": HI, "response_format": HELD}),
    "tools": ("/v1/chat/completions", SHORT | {"messages": HI, "tools": [TOOL], "tool_choice": "required"}),
    "capsule": ("/v1/chat/completions", SHORT | {"messages": HI, "noghost": {"capsule": True, "threads": 1}}),
    "completions": ("/v1/completions", SHORT | {"prompt": "Hi"}),
    "responses": ("/v1/responses", {"max_output_tokens": 16, "input": "Hi"}),
    "messages": ("/v1/messages", {"max_tokens": 4, "messages": HI}),
    "embeddings": ("/v1/embeddings", {"input": "Hi"}),
    "tokenize": ("/v1/tokenize", {"prompt": "Hi"}),
    "page": ("/", None),
    "docs": ("/docs", None),
    "document": ("/openapi.json", None),
    "models": ("/v1/models", None),
}


COMPUTES = ("chat/completions", "completions", "responses", "messages", "embeddings")  # whose end the ledger tells


@pytest.mark.slow
@pytest.mark.parametrize("kind", FIRST)
def test_whoever_knocked_before_it_listened_lacks_nothing(tmp_path: Path, kind: str) -> None:
    """Its instance is born before the rehearsal: it answers, and tries nothing that its fences refuse."""
    path, fields = FIRST[kind]
    asked = request(path, fields)
    with (
        listening() as supervisor,
        start(tmp_path, supervisor, "--context", "512", command=REHEARSING) as warden,
        ending(warden),
        socket.create_connection(supervisor.getsockname(), 60) as caller,
    ):
        caller.sendall(asked[:-1])
        call = Call(caller)
        wait_for(lambda: told(warden).startswith("listening on "), 60, "the service to listen")
        assert told(warden) == "", "it did not rehearse"
        caller.sendall(asked[-1:])
        assert call.read_all().startswith(b"HTTP/1.1 200 ")
        if path.removeprefix("/v1/") in COMPUTES:
            ended = wait_for(lambda: ended_of(tmp_path, call.invocation), 30, "the closed entry")
            assert isinstance(ended, dict)
            assert (ended["outcome"], int(ended["refused_calls"])) == ("answered", 0)


@pytest.mark.slow
def test_it_rehearses_before_the_second_birth_where_the_first_caller_stays(tmp_path: Path) -> None:
    endless = SHORT | {"messages": HI, "stream": True, "max_tokens": 1000, "ignore_eos": True}
    with listening() as supervisor, start(tmp_path, supervisor, "--context", "1024", command=REHEARSING) as warden:
        address = supervisor.getsockname()
        with ending(warden), socket.create_connection(address, 60) as first:
            first.sendall(request("/v1/chat/completions", endless))
            Call(first).read_until(b'"delta":{"content":')
            before = told(warden)
            assert b"200 OK" in get(address[1])
            after = told(warden)
        assert before.startswith("listening on "), "it was not kept waiting for the rehearsal"
        assert "rehearses" not in before
        assert after + told(warden) == "rehearses\n", "once"


@pytest.mark.slow
def test_a_rehearsal_for_which_there_are_no_descriptors_is_dropped(tmp_path: Path) -> None:
    """More callers wait before it listens than it may have connections; it serves all the same."""
    with (
        listening() as supervisor,
        start(tmp_path, supervisor, "--context", "512", command=SHORT_OF) as warden,
        ending(warden),
        ExitStack() as waiting,
    ):
        address = supervisor.getsockname()
        callers = [waiting.enter_context(socket.create_connection(address, 60)) for _ in range(99)]
        for caller in callers[:12]:
            caller.sendall(GET)
        wait_for(lambda: "rehearses" in told(warden), 60, "the rehearsal")
        waiting.close()
        assert b"200 OK" in get(address[1])
        assert warden.poll() is None


@pytest.mark.slow
def test_where_nobody_waits_it_rehearses_before_it_says_that_it_listens(tmp_path: Path) -> None:
    with listening() as supervisor, start(tmp_path, supervisor, "--context", "512", command=REHEARSING) as warden:
        assert warden.stdout is not None
        with ending(warden):
            assert warden.stdout.readline() == "rehearses\n"
            assert warden.stdout.readline().startswith("listening on ")
            assert b"200 OK" in get(supervisor.getsockname()[1])
        assert told(warden) == "", "once"


@contextmanager
def ending(warden: subprocess.Popen[str]) -> Iterator[None]:
    """Ended with the block, whatever ends that."""
    try:
        yield
    finally:
        warden.terminate()
        try:
            warden.wait(30)
        except subprocess.TimeoutExpired:
            warden.kill()
            raise


def told(warden: subprocess.Popen[str]) -> str:
    """The lines that it has written since."""
    assert warden.stdout is not None
    if not select.select([warden.stdout], [], [], 0)[0]:
        return ""
    said = os.read(warden.stdout.fileno(), 4096)
    while said and not said.endswith(b"\n"):
        said += os.read(warden.stdout.fileno(), 4096)
    return said.decode()


def request(path: str, fields: dict[str, object] | None) -> bytes:
    """Of a caller who asks nothing else."""
    body = b"" if fields is None else json.dumps(fields).encode()
    lines = [f"{'GET' if fields is None else 'POST'} {path} HTTP/1.1", "host: localhost", "connection: close"]
    lines += [f"noghost-capsule-key: {'A' * 43}="] if b"capsule" in body else []
    lines += ["content-type: application/json", f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def ended_of(home: Path, invocation: str) -> dict[str, str] | None:
    """What the ledger says of the end of one invocation; None until it is there."""
    command = [*SERVE[:-1], "receipts", "--json"]
    shown = subprocess.run(command, env=private_environment(home), capture_output=True, text=True, timeout=60).stdout
    return next((one["ended"] for one in json.loads(shown) if one["opened"]["id"] == invocation), None)
