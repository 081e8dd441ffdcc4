"""What both endpoints share, at both: seed, penalties, bias, limits, usage of a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.wire import Reply, post
from running import Service

TEXT = "red blue red blue red blue red blue red blue"
FORMS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": f"Go on: {TEXT}"}]},
    "/v1/completions": {"prompt": TEXT},
}
ASKED: dict[str, Any] = {"max_tokens": 12, "temperature": 0, "noghost": {"threads": 1}, "ignore_eos": True}
PENALTIES: list[dict[str, float]] = [{"frequency_penalty": 2}, {"presence_penalty": 2}, {"repeat_penalty": 4}]
COMMA = "28"  # the token "," of this vocabulary
PATHS = pytest.mark.parametrize("path", FORMS)


def asked(service: Service, path: str, **fields: Any) -> Reply:
    reply = post(service, json.dumps(FORMS[path] | ASKED | fields).encode(), path)
    assert reply.status == 200, reply.error
    return reply


def text_of(service: Service, path: str, **fields: Any) -> str:
    choice = asked(service, path, **fields).json["choices"][0]
    return str(choice["text"] if "text" in choice else choice["message"]["content"])


@PATHS
@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_a_penalty_is_heard(service: Service, path: str, penalty: dict[str, float]) -> None:
    plain, other = text_of(service, path), text_of(service, path, **penalty)
    assert other != plain == text_of(service, path)
    if path == "/v1/completions":  # whose plain answer goes on and on
        assert other.count("blue") < 3 < plain.count("blue")


@PATHS
def test_a_bias_forces_a_token(service: Service, path: str) -> None:
    assert text_of(service, path, logit_bias={COMMA: 100}, max_tokens=3) == ",,,"
    assert "," not in text_of(service, path, logit_bias={COMMA: -100})


@PATHS
def test_a_seed_repeats(service: Service, path: str) -> None:
    wild = {"temperature": 2.0, "top_k": 0, "top_p": 1, "min_p": 0}
    texts = [text_of(service, path, **wild, seed=seed) for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]


@PATHS
def test_the_newer_limit_goes_before_the_older(service: Service, path: str) -> None:
    assert asked(service, path, max_completion_tokens=2).json["usage"]["completion_tokens"] == 2
    assert asked(service, path, max_tokens=3).json["usage"]["completion_tokens"] == 3


@PATHS
@pytest.mark.parametrize("wanted", [True, False])
def test_usage_of_a_stream_where_it_is_wanted(service: Service, path: str, wanted: bool) -> None:
    reply = asked(service, path, max_tokens=2, stream=True, stream_options={"include_usage": wanted})
    events = [json.loads(line[6:]) for line in reply.body.decode().split("\n") if line.startswith("data: {")]
    assert [event["usage"]["completion_tokens"] for event in events if "usage" in event] == [2] * wanted


@PATHS
def test_who_asks_is_ignored(service: Service, path: str) -> None:
    assert text_of(service, path, user="somebody", safety_identifier="x") == text_of(service, path)
