"""Faults of ours: told in the API's own shape, without their words."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.response_order import told
from api.wire import PATIENCE_S, ask, healthy
from noghost.api.answer import Writer
from noghost.api.body import WholeBody
from noghost.api.chat import CHAT
from noghost.api.here import Here, Recorder
from noghost.api.responses import Writer as Streamer
from noghost.api.turn import Told, Turn
from noghost.config import Limits
from noghost.engine.families.events import Content
from noghost.engine.families.family import PLAIN
from noghost.engine.generate import Done
from noghost.errors import EngineError, LedgerError
from noghost.timeline import Timeline
from running import running, wait_for


class NoRecorder:
    """An invocation that computes nothing."""

    def open(self, invocation: bytes, model: int, commitment: bytes | None, **_repeat: int | None) -> None:
        raise AssertionError

    def sync(self) -> None:
        raise AssertionError

    def receipt(self, invocation: bytes) -> str:
        raise AssertionError


def invocation() -> Here:
    """One that has no model."""
    recorder: Recorder = NoRecorder()
    return Here(bytes(16), Timeline(), (), recorder, Limits(), 1, lambda: 1)


def fault(error: Exception, after: list[Message], path: str = "/") -> tuple[list[Message], Here]:
    """What is sent when an app raises `error` after it has sent `after`."""
    now = invocation()
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in after:
            await send(message)
        raise error

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    state = SimpleNamespace(state=SimpleNamespace(here=now))
    scope: dict[str, Any] = {"type": "http", "app": state, "headers": [], "path": path, "query_string": b""}
    scope["raw_path"] = path.encode()
    try:
        asyncio.run(WholeBody(app)(scope, receive, send))
    except type(error):
        assert after
    return sent, now


@pytest.mark.parametrize("error", [ValueError("a secret"), EngineError("llama.cpp failed")])
def test_a_fault_before_the_answer(error: Exception) -> None:
    (start, body), now = fault(error, [])
    assert (start["status"], now.tally.status) == (500, 500)
    assert (b"noghost-instance", b"0" * 32) in start["headers"]
    told = json.loads(body["body"])["error"]
    assert told["type"] == "server_error"
    assert "secret" not in told["message"]


def test_a_fault_within_the_answer_counts_as_one() -> None:
    sent, now = fault(ValueError("a secret"), [{"type": "http.response.start", "status": 200, "headers": []}])
    assert len(sent) == 1
    assert now.tally.status == 500


@pytest.mark.parametrize(
    ("error", "status"), [(LedgerError("the record is not on the disk"), 503), (ValueError("a secret"), 500)]
)
def test_a_fault_within_a_stream_is_its_last_event(error: Exception, status: int) -> None:
    """OpenAI's client raises for it: an answer that broke off is not taken for a whole one."""

    async def items() -> AsyncIterator[Told | Done]:
        raise error
        yield

    async def stream(writer: Writer) -> list[bytes]:
        return [piece async for piece in writer.events(Told(0, [Content("text")], ()), items(), False)]

    now = invocation()
    # its figures come at the end
    model = SimpleNamespace(piece=None)
    job: Any = SimpleNamespace(work=SimpleNamespace(echo=None), prompt_logprobs=(), model=model)
    *_, last = asyncio.run(stream(Writer(now, Turn(job, "model", lambda: PLAIN.parser("")), CHAT)))
    assert set(json.loads(last.removeprefix(b"data: "))) == {"error"}
    assert b"secret" not in last
    assert now.tally.status == status


def test_a_fault_within_a_streamed_response_is_its_last_event() -> None:
    """What was said before it stands in it, as far as it came."""

    async def items() -> AsyncIterator[Told | Done]:
        yield Told(0, [Content("text")], ())
        raise ValueError("a secret")

    async def stream(writer: Streamer) -> list[bytes]:
        return [piece async for piece in writer.stream(items(), pads=False)]

    now = invocation()
    turn: Any = SimpleNamespace(logprobs=lambda _told: [])  # its figures come at the end
    fixed = {"model": "m", "instructions": None, "tools": [], "metadata": {}, "store": False}
    sent = asyncio.run(stream(Streamer(now, turn, fixed)))
    response = told([json.loads(event.partition(b"data: ")[2]) for event in sent])
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    assert response["output"][0]["content"][0]["text"] == "text"
    assert b"secret" not in b"".join(sent)
    assert now.tally.status == 500


def test_a_ledger_that_cannot_be_written(tmp_path: Any) -> None:
    """The ledger's file may not grow: nothing is computed, and what needs no record goes on."""
    with running(tmp_path) as service:
        assert ask(service).status == 200
        wait_for(lambda: not service.instances(), PATIENCE_S, "the first to be recorded")
        largest = max(path.stat().st_size for path in service.ledger.rglob("*"))
        resource.prlimit(service.reaper_pid, resource.RLIMIT_FSIZE, (largest, largest))
        for stream in (False, True):
            reply = ask(service, stream=stream)
            assert (reply.status, reply.error["code"], reply.headers["retry-after"]) == (503, "ledger_failed", "1")
        assert healthy(service)
