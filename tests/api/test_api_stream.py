"""Server-sent events: whole characters, whole JSON, and the same text as the whole answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.wire import ask
from running import Service

GHOSTS = [{"role": "user", "content": "Write only emoji: \U0001f47b\U0001f600\U0001f680\u2764\ufe0f 你好"}]
# Each emoji is three or four tokens of this model. A bias makes their first bytes likely.
WILD: dict[str, Any] = {"messages": GHOSTS, "temperature": 1.5, "max_tokens": 40, "ignore_eos": True}


def events(body: bytes) -> list[dict[str, Any]]:
    """Every event, each of which must be one line of UTF-8 and JSON by itself."""
    *lines, last, rest = body.split(b"\n\n")
    assert (last, rest) == (b"data: [DONE]", b"")
    assert all(line.startswith(b"data: ") and b"\n" not in line for line in lines)
    return [json.loads(line.removeprefix(b"data: ").decode("utf-8", "strict")) for line in lines]


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_stream_is_the_whole_answer(service: Service, seed: int) -> None:
    streamed = ask(service, **WILD, seed=seed, stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    pieces = [event["choices"][0]["delta"].get("content", "") for event in events(streamed.body)]
    whole = ask(service, **WILD, seed=seed).json["choices"][0]["message"]["content"]
    assert "".join(pieces) == whole
    assert any(ord(character) > 127 for character in whole)


def test_the_events_of_a_chat(service: Service) -> None:
    first, *middle, last, usage = events(
        ask(service, max_tokens=3, stream=True, stream_options={"include_usage": True}).body
    )
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert all(event["choices"][0]["finish_reason"] is None for event in middle)
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "length")
    assert len(last["noghost"]["instance"]) == 32
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 3)


def test_an_error_before_the_first_token_has_its_status(service: Service) -> None:
    reply = ask(service, stream=True, logit_bias={"999999": 1})
    assert (reply.status, reply.error["param"]) == (400, "logit_bias")


def test_the_path_is_told_to_who_asks(service: Service) -> None:
    told = [ask(service, max_tokens=1, **more).json["noghost"] for more in ({}, {"noghost": {"path": True}})]
    assert "path_ms" not in told[0]
    steps = ["fork", "gate", "confine", "request", "template", "tokenise", "seat", "prefill"]
    assert list(told[1]["path_ms"]) == steps
    assert all(took_ms >= 0 for took_ms in told[1]["path_ms"].values())
