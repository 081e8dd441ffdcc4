"""Faults of ours, as Anthropic's API tells them: before the answer by its status, within a stream as its last event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from api.test_api_faults import fault, invocation
from noghost.api.message_schema import MessagesRequest
from noghost.api.messages import Writer
from noghost.api.turn import Told
from noghost.engine.families.events import Content
from noghost.engine.generate import Done
from noghost.errors import EngineError, LedgerError

ASKED = MessagesRequest.model_validate({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1})


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ValueError("a secret"), 500, "api_error"),
        (EngineError("llama.cpp failed"), 500, "api_error"),
        (LedgerError("the record is not on the disk"), 503, "overloaded_error"),
    ],
)
def test_a_fault_before_the_answer(error: Exception, status: int, kind: str) -> None:
    (start, body), now = fault(error, [], "/v1/messages")
    assert (start["status"], now.tally.status) == (status, status)
    told = json.loads(body["body"])
    assert (told["type"], told["error"]["type"]) == ("error", kind)
    assert "secret" not in told["error"]["message"]


@pytest.mark.parametrize("error", [LedgerError("the record is not on the disk"), ValueError("a secret")])
def test_a_fault_within_a_stream_is_its_last_event(error: Exception) -> None:
    async def items() -> AsyncIterator[Told | Done]:
        yield Told(0, [Content("text")], ())
        raise error

    async def stream(writer: Writer) -> list[bytes]:
        return [piece async for piece in writer.events(items())]

    now = invocation()
    turn: Any = SimpleNamespace(prompt_tokens=1, model="model")
    *_, last = asyncio.run(stream(Writer(now, turn, ASKED)))
    name, data = last.decode().strip().split("\n")
    assert (name, set(json.loads(data.removeprefix("data: ")))) == ("event: error", {"type", "error"})
    assert "secret" not in data
    assert now.tally.status >= 500
