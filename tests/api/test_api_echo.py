"""`echo` and `suffix` of /v1/completions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.wire import post
from running import Service

PROMPT = "The capital of France is"
LONG = "The sea is wide and the ships on it are small. " * 15 + PROMPT  # computed in several batches
ASKED: dict[str, Any] = {"max_tokens": 4, "temperature": 0, "noghost": {"threads": 1}}
OF_TEXT = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


def complete(service: Service, **fields: Any) -> dict[str, Any]:
    reply = post(service, json.dumps(ASKED | fields).encode(), "/v1/completions")
    assert reply.status == 200, reply.error
    answer: dict[str, Any] = reply.json
    return answer


def refused(service: Service, **fields: Any) -> dict[str, Any]:
    reply = post(service, json.dumps(ASKED | fields).encode(), "/v1/completions")
    assert reply.status == 400
    return reply.error


@pytest.mark.parametrize("logprobs", [None, 2])
@pytest.mark.parametrize("prompt", [PROMPT, pytest.param(LONG, marks=pytest.mark.slow)], ids=["short", "long"])
def test_the_prompt_and_then_the_same_answer(service: Service, prompt: str, logprobs: int | None) -> None:
    plain = complete(service, prompt=prompt, logprobs=logprobs)
    echoed = complete(service, prompt=prompt, logprobs=logprobs, echo=True)
    answer = plain["choices"][0]["text"]
    assert echoed["choices"][0]["text"] == prompt + answer
    assert echoed["usage"] == plain["usage"]
    if logprobs is None:
        assert echoed["choices"][0]["logprobs"] is None
        return
    told, after = echoed["choices"][0]["logprobs"], plain["choices"][0]["logprobs"]
    count = plain["usage"]["prompt_tokens"]
    assert "".join(told["tokens"]) == prompt + answer
    assert told["token_logprobs"][count:] == after["token_logprobs"], "the answer's are the same bytes"
    assert (told["token_logprobs"][0], told["top_logprobs"][0]) == (None, None)
    for token, logprob, top, offset in list(zip(*(told[name] for name in OF_TEXT), strict=True))[1:]:
        assert (prompt + answer)[offset:].startswith(token)
        assert logprob <= max(top.values()) <= 0


@pytest.mark.slow
def test_a_prompts_token_is_as_likely_as_it_was_when_it_was_chosen(service: Service) -> None:
    chosen = complete(service, prompt=LONG, max_tokens=1, logprobs=1)["choices"][0]
    again = complete(service, prompt=LONG + chosen["text"], max_tokens=0, logprobs=1, echo=True)["choices"][0]
    assert again["text"] == LONG + chosen["text"]
    assert again["finish_reason"] == "length"
    told = again["logprobs"]
    assert told["tokens"][-1] == chosen["text"]
    assert told["token_logprobs"][-1] == pytest.approx(chosen["logprobs"]["token_logprobs"][0], abs=0.05)
    assert min(told["token_logprobs"][1:]) < -3, "control: not all of them are likely"


def test_streamed_and_several(service: Service) -> None:
    asked: dict[str, Any] = {"prompt": PROMPT, "echo": True, "logprobs": 1, "n": 2, "temperature": 1.0, "seed": 3}
    whole = complete(service, **asked)["choices"]
    assert len({choice["text"] for choice in whole}) == 2, "control: the seeds do matter"
    reply = post(service, json.dumps(ASKED | asked | {"stream": True}).encode(), "/v1/completions")
    events = [json.loads(line[6:]) for line in reply.body.decode().split("\n") if line.startswith("data: {")]
    for index in (0, 1):
        mine = [one for event in events for one in event["choices"] if one["index"] == index]
        assert mine[0]["text"] == PROMPT
        assert "".join(one["text"] for one in mine) == whole[index]["text"]
        for name in OF_TEXT:
            streamed = [told for one in mine if one["logprobs"] for told in one["logprobs"][name]]
            assert streamed == whole[index]["logprobs"][name]


def test_no_tokens_at_all(service: Service) -> None:
    answer = complete(service, prompt=PROMPT, max_tokens=0)
    assert (answer["choices"][0]["text"], answer["usage"]["completion_tokens"]) == ("", 0)


def test_a_gap_is_filled(kinds: Service) -> None:
    """The tiny model's words mean nothing: what counts is the prompt that it was given."""
    asked: dict[str, Any] = {"model": "filling", "prompt": "ab<|im_end|>", "suffix": "c"}
    answer = complete(kinds, **asked, ignore_eos=True)
    assert answer["usage"]["completion_tokens"] == 4
    # prefix, "ab", the 10 bytes of a control token that is only text here, suffix, "c", middle
    assert answer["usage"]["prompt_tokens"] == 1 + 1 + 10 + 1 + 1 + 1
    assert complete(kinds, **asked, echo=True)["choices"][0]["text"].startswith("ab<|im_end|>")
    assert refused(kinds, **asked, echo=True, logprobs=1)["param"] == "echo"
    plain = complete(kinds, **(asked | {"suffix": ""}))["usage"]["prompt_tokens"]
    assert plain == 2, "control: without a suffix it is a plain prompt"


def test_a_model_without_the_tokens_says_so(service: Service) -> None:
    error = refused(service, prompt="def f(", suffix="return x")
    assert (error["param"], error["code"]) == ("suffix", "unsupported_parameter")
    assert "fill-in-the-middle" in error["message"]
