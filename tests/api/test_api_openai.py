"""OpenAI's own Python client, unchanged."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from noghost.weights.find import find
from running import Service

PARIS: list[Any] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]
WILD: dict[str, Any] = {"temperature": 2.0, "max_tokens": 12, "extra_body": {"top_k": 0, "top_p": 1, "min_p": 0}}
NUMBERS = "one two three four five six seven"


def chat(client: OpenAI, messages: list[Any] = PARIS, **options: Any) -> Any:
    return client.chat.completions.create(model="default", messages=messages, **options)


def test_models(client: OpenAI) -> None:
    listed = client.models.list().data
    assert len(listed) == 1
    assert client.models.retrieve(listed[0].id).id == listed[0].id
    assert client.models.retrieve("default").id == listed[0].id
    told = listed[0].model_dump()
    file = find()
    assert (told["noghost"]["sha256"], told["noghost"]["license"]) == (file.sha256, "apache-2.0")
    assert told["noghost"]["size_bytes"] == file.path.stat().st_size > told["meta"]["size"]
    assert told["context_length"] == told["noghost"]["context_tokens"] == 8192
    assert (told["meta"]["n_ctx_train"], told["meta"]["n_params"], told["meta"]["n_embd"]) == (8192, 134_515_008, 576)


def test_chat_whole(client: OpenAI) -> None:
    answer = chat(client, temperature=0)
    choice = answer.choices[0]
    assert choice.message.content == "The capital of France is Paris."
    assert (choice.message.role, choice.finish_reason, answer.object) == ("assistant", "stop", "chat.completion")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens == 8
    assert answer.model == client.models.list().data[0].id


def test_chat_streamed(client: OpenAI) -> None:
    chunks = list(chat(client, temperature=0, stream=True, stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == "The capital of France is Paris."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [8]
    assert chunks[-1].choices == []
    assert len({chunk.id for chunk in chunks}) == 1


def test_no_usage_unless_asked_for(client: OpenAI) -> None:
    chunks = list(chat(client, temperature=0, stream=True, max_tokens=3))
    assert [chunk for chunk in chunks if chunk.usage or not chunk.choices] == []


def test_completions_whole_and_streamed(client: OpenAI) -> None:
    asked: Any = {"model": "default", "prompt": NUMBERS, "temperature": 0, "max_tokens": 8}
    whole = client.completions.create(**asked)
    assert (whole.object, whole.choices[0].finish_reason) == ("text_completion", "length")
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 8
    streamed = list(client.completions.create(**asked, stream=True))
    assert "".join(chunk.choices[0].text for chunk in streamed) == whole.choices[0].text
    assert streamed[-1].choices[0].finish_reason == "length"


def test_a_completion_has_16_tokens_unless_told_otherwise(client: OpenAI) -> None:
    usage = client.completions.create(model="default", prompt=NUMBERS, extra_body={"ignore_eos": True}).usage
    assert usage is not None
    assert usage.completion_tokens == 16


def test_a_seed_repeats(client: OpenAI) -> None:
    texts = [chat(client, seed=seed, **WILD).choices[0].message.content for seed in (5, 5, 6, -5)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_a_seed_that_was_drawn_is_told_and_repeats(client: OpenAI) -> None:
    first = chat(client, **WILD)
    again = chat(client, **WILD, seed=first.noghost["seed"])
    assert again.choices[0].message.content == first.choices[0].message.content
    assert again.noghost["instance"] != first.noghost["instance"]


def test_stop_strings(client: OpenAI) -> None:
    for stop in (" Paris", [" Paris", "nowhere"]):
        choice = chat(client, temperature=0, stop=stop).choices[0]
        assert (choice.message.content, choice.finish_reason) == ("The capital of France is", "stop")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_max_tokens(client: OpenAI, name: str) -> None:
    answer = chat(client, temperature=0, **{name: 2})
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 2)


def test_logit_bias(client: OpenAI) -> None:
    """Token 28 of this vocabulary is ','; nothing but it can come."""
    answer = chat(client, temperature=0, max_tokens=3, logit_bias={"28": 100})
    assert answer.choices[0].message.content == ",,,"


def test_headers(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="default", messages=PARIS, max_tokens=1)
    answer: Any = raw.parse()
    assert raw.headers["noghost-instance"] == answer.noghost["instance"]
    assert raw.headers["connection"] == "close"
    assert raw.headers["cache-control"] == "no-store"
    assert answer.id == "chatcmpl-" + answer.noghost["instance"]


def test_errors_are_the_clients_exceptions(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nobody", messages=PARIS)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as wrong:
        chat(client, temperature=3)
    assert wrong.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_nulls_are_defaults(client: OpenAI) -> None:
    nulls: Any = dict.fromkeys(
        ("temperature", "top_p", "n", "stop", "seed", "stream", "logit_bias", "presence_penalty", "tools", "store"),
    )
    assert chat(client, max_tokens=1, extra_body=nulls | {"top_k": None, "noghost": None}).choices


def test_an_answer_can_be_sent_back(client: OpenAI) -> None:
    first = chat(client, temperature=0).choices[0].message
    messages = [*PARIS, first, {"role": "user", "content": "And of Italy?"}]
    answer = chat(client, messages, temperature=0, max_tokens=16)
    assert "Rome" in answer.choices[0].message.content


def test_the_async_client(service: Service) -> None:
    async def ask_thrice() -> list[str | None]:
        async with AsyncOpenAI(base_url=service.url + "/v1", api_key="none", max_retries=0) as client:
            asked = [client.chat.completions.create(model="default", messages=PARIS, temperature=0) for _ in range(3)]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*asked)]

    assert asyncio.run(ask_thrice()) == ["The capital of France is Paris."] * 3
