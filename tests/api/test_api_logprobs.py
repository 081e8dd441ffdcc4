"""`logprobs` of both endpoints: the tokens are those of the answer, whole and streamed, and the likeliest first."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from api.wire import ask, post
from running import Service

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
GREEDY: dict[str, Any] = {"messages": QUESTION, "max_tokens": 8, "temperature": 0, "noghost": {"threads": 1}}
ACCENTS = {"messages": [{"role": "user", "content": "Repeat after me: 😀 ✓ Žluťoučký kůň"}], "max_tokens": 24}


def chat(service: Service, **fields: Any) -> dict[str, Any]:
    reply = ask(service, **(GREEDY | fields))
    assert reply.status == 200, reply.error
    choice: dict[str, Any] = reply.json["choices"][0]
    return choice


def text(service: Service, **fields: Any) -> dict[str, Any]:
    body = {"prompt": "The capital of France is", "max_tokens": 8, "temperature": 0, "noghost": {"threads": 1}}
    reply = post(service, json.dumps(body | fields).encode(), "/v1/completions")
    assert reply.status == 200, reply.error
    choice: dict[str, Any] = reply.json["choices"][0]
    return choice


def test_a_greedy_answer_is_the_likeliest_tokens(service: Service) -> None:
    choice = chat(service, logprobs=True, top_logprobs=3)
    tokens = choice["logprobs"]["content"]
    assert len(tokens) == 8
    assert "".join(one["token"] for one in tokens) == choice["message"]["content"]
    for one in tokens:
        assert [one["token"], one["logprob"], one["bytes"]] == list(one["top_logprobs"][0].values())
        told = [other["logprob"] for other in one["top_logprobs"]]
        assert told == sorted(told, reverse=True)
        assert len(told) == 3
        assert 0 < sum(map(math.exp, told)) <= 1 + 1e-9


def test_asking_for_them_changes_no_byte_of_the_answer(service: Service) -> None:
    with_them = chat(service, logprobs=True, temperature=0.9, seed=4)
    without = chat(service, temperature=0.9, seed=4)
    assert with_them["message"] == without["message"]
    assert without["logprobs"] is None
    assert all(one["top_logprobs"] == [] for one in with_them["logprobs"]["content"])


def test_a_stream_tells_the_same_tokens(service: Service) -> None:
    asked = GREEDY | ACCENTS | {"logprobs": True, "top_logprobs": 2}
    whole = chat(service, **ACCENTS, logprobs=True, top_logprobs=2)["logprobs"]["content"]
    reply = ask(service, **asked, stream=True)
    events = [json.loads(line[6:]) for line in reply.body.decode().split("\n") if line.startswith("data: {")]
    choices = [event["choices"][0] for event in events if event["choices"]]
    streamed = [one for choice in choices if choice["logprobs"] for one in choice["logprobs"]["content"]]
    assert streamed == whole
    joined = b"".join(bytes(one["bytes"]) for one in streamed).decode("utf-8", "replace")
    assert joined == "".join(choice["delta"].get("content", "") for choice in choices)
    assert any(len(one["token"].encode()) != len(one["bytes"]) for one in streamed), "control: a character in parts"


def test_a_stop_string_is_not_told(service: Service) -> None:
    first, second = chat(service)["message"]["content"].split()[:2]
    choice = chat(service, logprobs=True, stop=f" {second}")
    assert choice["message"]["content"] == first, "control: it did stop there"
    assert "".join(one["token"] for one in choice["logprobs"]["content"]) == first


def test_of_a_text_completion(service: Service) -> None:
    choice = text(service, logprobs=2)
    told = choice["logprobs"]
    assert "".join(told["tokens"]) == choice["text"]
    for token, logprob, top, offset in zip(*(told[name] for name in OF_TEXT), strict=True):
        assert choice["text"][offset:].startswith(token)
        assert max(top.values()) == logprob == top[token]
        assert len(top) == 2
    assert text(service)["logprobs"] is None
    assert text(service, logprobs=0)["logprobs"]["top_logprobs"][0] == {}


OF_TEXT = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"top_logprobs": 2}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": -1}, "top_logprobs"),
        ({"logprobs": 3}, "logprobs"),
    ],
    ids=["alone", "too many", "negative", "another endpoint's"],
)
def test_what_cannot_be(service: Service, fields: dict[str, Any], word: str) -> None:
    reply = ask(service, **(GREEDY | fields))
    assert reply.status == 400
    assert word in reply.error["message"] + str(reply.error["param"])
