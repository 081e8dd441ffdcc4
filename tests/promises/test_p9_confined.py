"""P9: an instance cannot open a file, a socket or a process; every attempt is refused and counted.

Control: in a service without seccomp and Landlock the same attempts succeed. Mutants: each fence alone.
"""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from pathlib import Path

import pytest

from noghost.ledger.entry import bucket
from noghost.weights.find import find
from promises.intruder import ATTEMPTS
from promises.talking import say
from promises.test_p7_record import ended
from running import Service, running, wait_for

INTRUDER = (sys.executable, str(Path(__file__).with_name("intruder.py")))
FILES = ("read a file", "write a file", "list a folder", "make a folder")
END_S = 10.0


def attack(service: Service, path: str = "/attack") -> tuple[dict[str, str], str]:
    """(what came of each attempt, the invocation)."""
    with urllib.request.urlopen(f"{service.url}{path}", timeout=60) as answer:
        return json.load(answer), answer.headers["noghost-instance"]


def closed(service: Service, invocation: str) -> dict[str, object]:
    wait_for(lambda: ended(service, invocation), END_S, "the closed entry")
    return ended(service, invocation)  # type: ignore[return-value]


def test_every_attempt_is_refused_and_counted(tmp_path: Path) -> None:
    with running(tmp_path, command=INTRUDER) as service:
        told, invocation = attack(service)
        assert set(told) == set(ATTEMPTS)
        assert {name: how for name, how in told.items() if how != "EPERM"} == {}
        end = closed(service, invocation)
        assert end["refused_calls"] in (bucket(len(ATTEMPTS)), bucket(2 * len(ATTEMPTS)))  # some make two calls
        assert end["wipe"] == "verified"
        assert "refused: call=" in service.log
        assert service.noghost("receipts", "verify", invocation).returncode == 0


def test_one_that_does_not_cease_is_ended_and_wiped(tmp_path: Path) -> None:
    with running(tmp_path, command=INTRUDER) as service:
        with pytest.raises((ConnectionError, OSError)):
            urllib.request.urlopen(f"{service.url}/insist", timeout=60)
        opened = json.loads(service.noghost("receipts", "--json").stdout)[-1]["opened"]
        end = closed(service, opened["id"])
        assert (end["outcome"], end["wipe"]) == ("killed", "verified")
        assert end["refused_calls"] == bucket(100)
        assert "out_of_turn" in service.log
        with say(service, "Are you well?", max_tokens=2) as call:
            assert b" 200 " in call.read_all()


def test_without_the_fences_the_attempts_succeed(tmp_path: Path) -> None:
    """The control: the attempts are real."""
    with running(tmp_path, "--without", "seccomp", "--without", "landlock", command=INTRUDER) as service:
        told, invocation = attack(service)
        failed = {name for name, how in told.items() if how != "done"}
        assert failed <= {"connect", "become a program", "read the warden", "be traced by another", "signal the warden"}
        assert told["connect"] == "ENETUNREACH"  # the service's own network namespace still stands
        assert closed(service, invocation)["refused_calls"] == 0
        assert host_of(service, invocation).endswith("without=landlock.seccomp")


def test_landlock_alone_refuses_paths(tmp_path: Path) -> None:
    with running(tmp_path, "--without", "seccomp", command=INTRUDER) as service:
        told, invocation = attack(service)
        assert {told[name] for name in FILES} == {"EACCES"}
        assert told["make a pipe"] == "done"
        assert "without=seccomp" in host_of(service, invocation)


def test_seccomp_alone_refuses_all_of_it(tmp_path: Path) -> None:
    with running(tmp_path, "--without", "landlock", "--without", "network", command=INTRUDER) as service:
        told, invocation = attack(service)
        assert set(told.values()) == {"EPERM"}
        assert "network=host,memory=unlocked,without=landlock.network" in host_of(service, invocation)


def test_uncounted_refusals_are_refusals(tmp_path: Path) -> None:
    with running(tmp_path, "--without", "counting", command=INTRUDER) as service:
        told, invocation = attack(service)
        assert set(told.values()) == {"EPERM"}
        assert closed(service, invocation)["refused_calls"] == 0
        assert "without=counting" in host_of(service, invocation)


@pytest.fixture
def copy(tmp_path: Path) -> str:
    """Of the default model, to be loaded on demand."""
    return str(shutil.copy(find().path, tmp_path / "copy.gguf"))


def test_with_models_on_demand_every_attempt_is_refused_too(tmp_path: Path, copy: str) -> None:
    with running(tmp_path, "--on-demand", copy, command=INTRUDER) as service:
        told, invocation = attack(service)
        assert {name: how for name, how in told.items() if how != "EPERM"} == {}
        end = closed(service, invocation)
        assert end["refused_calls"] in (bucket(len(ATTEMPTS)), bucket(2 * len(ATTEMPTS)))
        told, invocation = attack(service, "/weights")
        assert told.pop("read") == "done"
        assert (told.pop("write"), told.pop("make what is mapped writable")) == ("EBADF", "EACCES")
        assert set(told.values()) == {"EPERM"}
        refused = closed(service, invocation)["refused_calls"]
        assert refused in (bucket(len(told)), bucket(2 * len(told)))  # the endpoint's own first request, too


def test_what_a_load_tries_is_counted_of_everybody_else(tmp_path: Path, copy: str) -> None:
    """The load's own seven are not: with them the count would be in the next bucket."""
    counted = []
    with running(tmp_path, "--on-demand", copy, command=INTRUDER) as service:
        for load in ("true", "false"):
            told, invocation = attack(service, f"/like-a-load?load={load}")
            assert set(told.values()) == {"EPERM"}
            counted.append(closed(service, invocation)["refused_calls"])
        assert counted == [bucket(len(told))] * 2
        assert counted != [bucket(len(told) + 7)] * 2, "the control: buckets tell these apart"


def test_without_the_fences_the_open_file_of_weights_is_read_only_still(tmp_path: Path, copy: str) -> None:
    """The control: what seccomp refuses on it is real; what the kernel refuses by itself it still does."""
    with running(tmp_path, "--on-demand", copy, "--without", "seccomp", command=INTRUDER) as service:
        told, _ = attack(service, "/weights")
        assert {name for name, how in told.items() if how == "done"} == {
            *("read", "map to execute", "map a copy", "map over pages")
        }


def test_a_step_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no step called selinux"), running(tmp_path, "--without", "selinux"):
        pass


def test_every_endpoint_answers_without_a_single_refusal(tmp_path: Path) -> None:
    """All imports that an instance needs happen in the warden: with every file refused nothing is missed."""
    with running(tmp_path, "--context", "1024") as service:
        document = json.loads(get(service, "/openapi.json"))
        for path, operations in document["paths"].items():
            for method in operations:
                request(service, method.upper(), path.replace("{invocation}", "0" * 32), BODIES.get(path, b"{}"))
        for path in ("/", "/docs", "/nothing", "/openapi.json"):
            request(service, "GET", path, b"")
        for body in (b"{", b"[]", b"\xff", json.dumps({"messages": [], "stream": True}).encode()):
            request(service, "POST", "/v1/chat/completions", body)
        request(service, "POST", "/v1/chat/completions", HELD_TO_A_SCHEMA)
        request(service, "POST", "/v1/chat/completions", HELD_TO_A_CALL)
        wait_for(lambda: not service.instances(), END_S, "all instances to end")
        assert "refused" not in service.log
        rows = json.loads(service.noghost("receipts", "--json").stdout)
        assert len(rows) == 7, "what computes: five endpoints, one of them thrice"
        assert {row["ended"]["refused_calls"] for row in rows} == {0}


HELD_TO_A_SCHEMA = json.dumps(
    {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 8,
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": ["red", "white"]}}},
    }
).encode()
HELD_TO_A_CALL = json.dumps(
    {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 8,
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
        "tool_choice": "required",
    }
).encode()
MESSAGE = json.dumps(
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "max_tokens": 3, "stream": True}
).encode()
BODIES = {
    "/v1/chat/completions": json.dumps(
        {"messages": [{"role": "user", "content": "Say yes. " * 40}], "max_tokens": 3, "stream": True}
    ).encode(),
    "/v1/completions": json.dumps(
        {"prompt": "One, two,", "max_tokens": 3, "seed": 1, "echo": True, "logprobs": 2}
    ).encode(),
    "/v1/responses": json.dumps(
        {"input": [{"role": "user", "content": "Say yes."}], "max_output_tokens": 3, "stream": True, "top_logprobs": 2}
    ).encode(),
    "/v1/messages": MESSAGE,
    "/v1/messages/count_tokens": MESSAGE,
    "/v1/embeddings": json.dumps({"input": ["One", "Two. " * 80], "encoding_format": "base64"}).encode(),
    "/v1/tokenize": json.dumps({"prompt": "One, two,", "with_pieces": True}).encode(),
    "/v1/detokenize": json.dumps({"tokens": [1, 2, 3]}).encode(),
}


def request(service: Service, method: str, path: str, body: bytes) -> None:
    """Send it; whatever the status, the answer has to come."""
    wanted = urllib.request.Request(
        service.url + path, body or None, {"content-type": "application/json"}, method=method
    )
    try:
        status = urllib.request.urlopen(wanted, timeout=60).status
    except urllib.request.HTTPError as answered:  # type: ignore[attr-defined]
        status = answered.code
    assert status < 500, (method, path)


def get(service: Service, path: str) -> str:
    with urllib.request.urlopen(service.url + path, timeout=60) as answer:
        return str(answer.read().decode())


def host_of(service: Service, invocation: str) -> str:
    rows = json.loads(service.noghost("receipts", "--json").stdout)
    return str(next(row["opened"]["host"] for row in rows if row["opened"]["id"] == invocation))
