"""Requests that are HTTP and wrong: refused in the API's own shape, and the service goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.wire import ASKED, ask, get, healthy, post
from running import Service

USER = ASKED["messages"]
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
HALF = chr(0xD800)  # half of a surrogate pair


@pytest.fixture(autouse=True)
def goes_on(service: Service) -> Iterator[None]:
    yield
    assert healthy(service)


# what is changed in a right request, the field that the error names, its code
WRONG: list[tuple[dict[str, Any], str, str | None]] = [
    ({"messages": []}, "messages", None),
    ({"messages": 5}, "messages", None),
    ({"messages": [5]}, "messages[0]", None),
    ({"messages": [{"content": "Hi"}]}, "messages[0].role", None),
    ({"messages": [{"role": "nobody", "content": "Hi"}]}, "messages[0].role", None),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", None),
    ({"messages": [{"role": "user", "content": HALF}]}, "messages[0].content", None),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", None),
    ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]", None),
    ({"messages": IMAGE}, "messages[0].content[0].type", None),
    ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].id", None),
    ({"model": 5}, "model", None),
    ({"model": HALF}, "model", None),
    ({"max_tokens": "5"}, "max_tokens", None),
    ({"max_tokens": 1.5}, "max_tokens", None),
    ({"max_tokens": True}, "max_tokens", None),
    ({"max_tokens": 0}, "max_tokens", None),
    ({"max_tokens": -1}, "max_tokens", None),
    ({"max_tokens": 10**30}, "max_tokens", None),
    ({"max_completion_tokens": 0}, "max_completion_tokens", None),
    ({"temperature": -0.1}, "temperature", None),
    ({"temperature": float("nan")}, "temperature", None),
    ({"top_p": float("inf")}, "top_p", None),
    ({"repeat_penalty": 0}, "repeat_penalty", None),
    ({"seed": 2**64}, "seed", None),
    ({"stop": ""}, "stop", None),
    ({"stop": ["a", ""]}, "stop", None),
    ({"stop": ["a"] * 17}, "stop", None),
    ({"stop": [5]}, "stop[0]", None),
    ({"stream": "yes"}, "stream", None),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", None),
    ({"logit_bias": {"1": 101}}, "logit_bias", None),
    ({"logit_bias": {"1": "x"}}, "logit_bias", None),
    ({"logit_bias": {"-1": 1}}, "logit_bias", None),
    ({"logit_bias": {"9" * 5000: 1}}, "logit_bias", None),
    ({"logit_bias": {"49152": 1}}, "logit_bias", "invalid_value"),
    ({"noghost": {"record_seed": 1}}, "noghost.record_seed", None),
    ({"noghost": {"keep": True}}, "noghost", None),
    ({"noghost": {"threads": 256}}, "noghost.threads", "invalid_value"),
    ({"tools": [{}]}, "tools[0].type", None),
    ({"tool_choice": "required"}, "tool_choice", "unsupported_parameter"),
    ({"functions": [{}]}, "functions", "unsupported_parameter"),
    ({"response_format": {"type": "yaml"}}, "response_format.type", None),
    ({"top_logprobs": 3}, "top_logprobs", "unsupported_parameter"),
    ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
    ({"n": 0}, "n", None),
    ({"n": 129}, "n", None),
    ({"prompt_cache_retention": "24h"}, "prompt_cache_retention", "unsupported_parameter"),
    ({"store": True}, "store", "unsupported_parameter"),
]


@pytest.mark.parametrize(("changes", "param", "code"), WRONG, ids=[str(wrong[0])[:60] for wrong in WRONG])
def test_a_wrong_value(service: Service, changes: dict[str, Any], param: str, code: str | None) -> None:
    reply = ask(service, **changes)
    assert reply.status == 400
    assert (reply.error["param"], reply.error["code"]) == (param, code)


def test_what_is_refused_says_so(service: Service) -> None:
    assert "use tools" in ask(service, functions=[{}]).error["message"]
    assert "keep the answer yourself" in ask(service, store=True).error["message"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "input_image", "image_url": "data:,"},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "file", "file": {"file_id": "x"}},
    ],
    ids=lambda part: part["type"],
)
def test_an_image_is_refused_with_what_to_do(service: Service, part: dict[str, Any]) -> None:
    parts = [{"type": "text", "text": "What is this?"}, part]
    reply = ask(service, messages=[{"role": "user", "content": parts}])
    assert (reply.status, reply.error["param"]) == (400, "messages[0].content[1].type")
    assert "images" in reply.error["message"]
    assert "send text parts alone" in reply.error["message"]


def test_an_unknown_model(service: Service) -> None:
    reply = ask(service, model="nobody")
    assert (reply.status, reply.error["param"], reply.error["code"]) == (404, "model", "model_not_found")


NOT_JSON = [
    b'{"messages": [}',
    json.dumps(ASKED).encode()[:-1],
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"max_tokens": ' + b"9" * 5000 + b"}",
    b"\x00",
]


@pytest.mark.parametrize("body", NOT_JSON, ids=["malformed", "truncated", "deep", "deep objects", "digits", "nul"])
def test_not_json(service: Service, body: bytes) -> None:
    reply = post(service, body)
    assert reply.status == 400
    assert "JSON" in reply.error["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"text"', b"5"])
def test_not_an_object(service: Service, body: bytes) -> None:
    reply = post(service, body)
    assert reply.status == 400
    assert "not a JSON object" in reply.error["message"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type(service: Service, kind: str) -> None:
    """A page of another origin can make a browser send these without asking: never taken for JSON."""
    reply = post(service, json.dumps(ASKED).encode(), kind=kind)
    assert reply.status == 400
    assert "content-type: application/json" in reply.error["message"]


def test_invalid_utf8(service: Service) -> None:
    reply = post(service, b'{"messages": "\xff"}')
    assert (reply.status, reply.error["code"]) == (400, "invalid_utf8")


def test_a_prompt_longer_than_the_context(strict: Service) -> None:
    reply = ask(strict, messages=[{"role": "user", "content": "word " * 600}])
    error = reply.error
    assert (reply.status, error["code"], error["param"]) == (400, "context_length_exceeded", "messages")
    assert "512" in error["message"]
    assert "6" in error["message"].split("tokens")[0]
    assert post(strict, json.dumps({"prompt": "word " * 600}).encode(), "/v1/completions").error["param"] == "prompt"
    assert healthy(strict)


def test_a_huge_max_tokens_is_cut_to_the_context(strict: Service) -> None:
    stopped = ask(strict, max_tokens=10**9, stop=["!", "."])
    assert (stopped.status, stopped.json["choices"][0]["finish_reason"]) == (200, "stop")
    long: list[dict[str, str]] = [{"role": "user", "content": "word " * 440}]
    full = ask(strict, messages=long, max_tokens=10**9, ignore_eos=True)
    assert full.json["usage"]["total_tokens"] == 512
    assert full.json["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": "a", "echo": 1}, "echo"),
        ({"prompt": "a", "suffix": 5}, "suffix"),
        ({"prompt": "a", "suffix": "b", "echo": True, "logprobs": 1}, "echo"),
        ({"prompt": "a", "max_tokens": -1}, "max_tokens"),
        ({"prompt": "a", "max_tokens": 0, "noghost": {"capsule": True}}, "max_tokens"),
        ({"prompt": "a", "logprobs": 6}, "logprobs"),
        ({"prompt": "a", "logprobs": True}, "logprobs"),
        ({"prompt": "a", "best_of": 2}, "best_of"),
        ({"prompt": "a", "store": True}, "store"),
    ],
)
def test_wrong_completions(service: Service, changes: dict[str, Any], param: str) -> None:
    reply = post(service, json.dumps(changes).encode(), "/v1/completions")
    assert (reply.status, reply.error["param"]) == (400, param)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/models/", 404),
        ("GET", "/v1/chat/completions/", 404),
        ("GET", "/v1/chat/completions", 405),
        ("OPTIONS", "/v1/chat/completions", 405),
        ("DELETE", "/healthz", 405),
        ("GET", "/v1/receipts/" + "A" * 32, 400),
        ("GET", "/v1/receipts/" + "0" * 32, 404),
        ("GET", "/v1/receipts/" + "0" * 32 + "?since=x", 400),
        ("GET", "/v1/receipts/" + "0" * 32 + "?since=" + "9" * 18, 404),
        ("GET", "/%ff%00", 404),
    ],
)
def test_paths_and_methods(service: Service, method: str, path: str, status: int) -> None:
    reply = get(service, path, method)
    assert reply.status == status
    assert reply.error["message"]


def test_head(service: Service) -> None:
    reply = get(service, "/v1/models", "HEAD")
    assert (reply.status, reply.body) == (405, b"")
    assert reply.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": None},
        {"messages": [{"role": "system", "content": "Be brief."}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": []}]},
        {"stop": []},
        {"seed": -(2**63)},
        {"seed": 2**63 - 1},
        {"logit_bias": {"49151": -100}},
        {"never_heard_of": float("inf")},
        {"tools": [], "tool_choice": "auto", "response_format": {"type": "text"}, "n": 1, "logprobs": False},
    ],
    ids=str,
)
def test_unusual_and_right(service: Service, changes: dict[str, Any]) -> None:
    assert ask(service, **changes).status == 200


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "\U0001f47b" * 300_000, " " * 1_000_000], ids=["a", "ghost", "space"]
)
def test_long_words(service: Service, text: str) -> None:
    reply = post(service, json.dumps({"prompt": text}, ensure_ascii=False).encode(), "/v1/completions")
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
