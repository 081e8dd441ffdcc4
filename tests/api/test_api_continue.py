"""A last message of the assistant's is continued, whatever its template."""

from __future__ import annotations

from typing import Any

from openai import OpenAI

from api.wire import ask
from running import Service

QUESTION: list[Any] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]
BEGUN: list[Any] = [*QUESTION, {"role": "assistant", "content": "The capital of"}]
PARTS: list[Any] = [*QUESTION, {"role": "assistant", "content": [{"type": "text", "text": "The capital of"}]}]


def answer(client: OpenAI, messages: list[Any], **fields: Any) -> Any:
    return client.chat.completions.create(model="default", messages=messages, temperature=0, extra_body=fields)


def test_the_answer_goes_on(client: OpenAI) -> None:
    whole = answer(client, QUESTION)
    assert whole.choices[0].message.content == "The capital of France is Paris."
    for messages in (BEGUN, PARTS):
        rest = answer(client, messages)
        assert rest.choices[0].message.content == " France is Paris."
        assert rest.usage.prompt_tokens == whole.usage.prompt_tokens + 3
    asked = answer(client, BEGUN, continue_final_message=True, add_generation_prompt=False)  # as vLLM is asked
    assert asked.choices[0].message.content == " France is Paris."


def test_streamed(client: OpenAI) -> None:
    chunks = client.chat.completions.create(model="default", messages=BEGUN, temperature=0, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == " France is Paris."


def test_or_it_begins_anew(client: OpenAI) -> None:
    anew = answer(client, BEGUN, continue_final_message=False)
    begun = answer(client, BEGUN)
    assert anew.usage.prompt_tokens > begun.usage.prompt_tokens
    assert anew.choices[0].message.content != begun.choices[0].message.content


def test_an_empty_message_is_the_opening_of_an_answer(client: OpenAI) -> None:
    opened = answer(client, [*QUESTION, {"role": "assistant", "content": ""}])
    assert opened.usage.prompt_tokens == answer(client, QUESTION).usage.prompt_tokens


def test_there_is_nothing_to_continue(service: Service) -> None:
    reply = ask(service, continue_final_message=True)
    assert (reply.status, reply.error["param"]) == (400, "continue_final_message")
