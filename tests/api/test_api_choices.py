"""`n`: several answers to one prompt, each the bytes that a request of its own with that seed gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.wire import ask, post
from running import Service

SHORT = "Name an animal."
LONG = "Tell me about the sea and the ships on it. " * 12  # over 64 tokens: its end is computed anew, not all of it
ASKED: dict[str, Any] = {"max_tokens": 10, "temperature": 1.2, "seed": 11, "noghost": {"threads": 1}}


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("text", [SHORT, LONG], ids=["short", "long"])
def test_each_is_what_a_request_with_its_seed_gets(service: Service, text: str) -> None:
    body = ask(service, messages=messages(text), **ASKED, n=3).json
    alone = [ask(service, messages=messages(text), **(ASKED | {"seed": 11 + at})).json for at in range(3)]
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    told = [choice["message"]["content"] for choice in body["choices"]]
    assert told == [one["choices"][0]["message"]["content"] for one in alone]
    assert len(set(told)) > 1, "control: the seeds do matter"
    assert body["usage"]["prompt_tokens"] == alone[0]["usage"]["prompt_tokens"]
    assert body["usage"]["completion_tokens"] == sum(one["usage"]["completion_tokens"] for one in alone)


def test_streamed_one_after_the_other(service: Service) -> None:
    asked = ASKED | {"messages": messages(SHORT), "n": 2, "logprobs": True}
    whole = ask(service, **asked).json["choices"]
    reply = ask(service, **asked, stream=True, stream_options={"include_usage": True})
    events = [json.loads(line[6:]) for line in reply.body.decode().split("\n") if line.startswith("data: {")]
    for index in (0, 1):
        mine = [one for event in events for one in event["choices"] if one["index"] == index]
        assert mine[0]["delta"]["role"] == "assistant"
        assert "".join(one["delta"].get("content", "") for one in mine) == whole[index]["message"]["content"]
        assert [one["finish_reason"] for one in mine if one["finish_reason"]] == [whole[index]["finish_reason"]]
        seen = [token for one in mine if one["logprobs"] for token in one["logprobs"]["content"]]
        assert seen == whole[index]["logprobs"]["content"]
    assert sum("noghost" in event for event in events) == 1
    assert events[-1]["usage"]["completion_tokens"] == sum(len(one["logprobs"]["content"]) for one in whole)


def test_of_a_text_completion(service: Service) -> None:
    asked = ASKED | {"prompt": "The sea is", "n": 2, "logprobs": 1}
    choices = post(service, json.dumps(asked).encode(), "/v1/completions").json["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    assert all(choice["logprobs"]["text_offset"][0] == 0 for choice in choices)
    assert all("".join(choice["logprobs"]["tokens"]) == choice["text"] for choice in choices)


@pytest.mark.parametrize("changes", [{"n": 0}, {"n": 129}, {"n": 2, "noghost": {"capsule": True}}], ids=str)
def test_what_cannot_be(service: Service, changes: dict[str, Any]) -> None:
    reply = ask(service, messages=messages(SHORT), **(ASKED | changes))
    assert (reply.status, reply.error["param"]) == (400, "n")
