"""Anthropic's own Python client, unchanged, and the stream as it comes off the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from api.wire import Reply, post
from running import Service

SYSTEM = "You are a helpful assistant."
PARIS: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER: Any = {
    "name": "weather",
    "description": "Look up the weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
GREEDY: dict[str, Any] = {"model": "default", "max_tokens": 32, "extra_body": {"temperature": 0}}


@pytest.fixture(scope="module")
def claude(service: Service) -> Iterator[Anthropic]:
    """It retries nothing, so that every fault shows."""
    with Anthropic(base_url=service.url, api_key="none", max_retries=0, timeout=60) as found:
        yield found


def ask(client: Anthropic, messages: list[Any] = PARIS, **options: Any) -> Any:
    return client.messages.create(messages=messages, **{**GREEDY, "system": SYSTEM, **options})


def events_of(reply: Reply) -> list[tuple[str, dict[str, Any]]]:
    """(name, data) of each event of a stream."""
    found = []
    for block in reply.body.decode().strip().split("\n\n"):
        name, data = [line for line in block.split("\n") if not line.startswith(":")]
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_whole(claude: Anthropic) -> None:
    raw = claude.messages.with_raw_response.create(messages=PARIS, system=SYSTEM, **GREEDY)
    message: Any = raw.parse()
    assert [block.to_dict() for block in message.content] == [
        {"type": "text", "text": "The capital of France is Paris."}
    ]
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert message.id == "msg_" + raw.headers["noghost-instance"] == "msg_" + message.noghost["instance"]
    assert message.usage.output_tokens == 8
    assert (
        message.usage.input_tokens
        == claude.messages.count_tokens(model="default", messages=PARIS, system=SYSTEM).input_tokens
    )


def test_streamed(claude: Anthropic) -> None:
    with claude.messages.stream(messages=PARIS, system=SYSTEM, **GREEDY) as stream:
        texts = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(texts) > 3
    whole = ask(claude)
    assert "".join(texts) == message.content[0].text == whole.content[0].text
    assert (message.stop_reason, message.usage) == (whole.stop_reason, whole.usage)


def test_the_order_of_events(service: Service) -> None:
    asked = {"messages": PARIS, "max_tokens": 3, "temperature": 0, "stream": True}
    reply = post(service, json.dumps(asked).encode(), "/v1/messages")
    events = events_of(reply)
    assert [name for name, _ in events] == [data["type"] for _, data in events]
    assert [name for name, _ in events] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[-2][1]["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}
    assert events[-2][1]["noghost"]["instance"] == reply.headers["noghost-instance"]
    assert events[0][1]["message"]["usage"]["input_tokens"] == events[-2][1]["usage"]["input_tokens"] > 0
    assert (reply.headers["content-type"], reply.headers["connection"]) == ("text/event-stream; charset=utf-8", "close")


def test_stop_sequences(claude: Anthropic) -> None:
    message = ask(claude, stop_sequences=["nowhere", " Paris"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", " Paris")
    assert message.content[0].text == "The capital of France is"


def test_a_last_message_of_the_assistant_is_gone_on_with(claude: Anthropic) -> None:
    message = ask(claude, [*PARIS, {"role": "assistant", "content": [{"type": "text", "text": "The capital of"}]}])
    assert message.content[0].text == " France is Paris."


def test_a_seed_repeats(claude: Anthropic) -> None:
    wild = {"temperature": 1, "top_k": 0, "top_p": 1}
    first = ask(claude, max_tokens=12, extra_body=wild)
    again = ask(claude, max_tokens=12, extra_body={**wild, "seed": first.noghost["seed"]})
    assert again.content == first.content


def test_an_answer_can_be_sent_back(claude: Anthropic) -> None:
    cached: Any = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    first = ask(claude, system=cached)
    messages = [*PARIS, {"role": "assistant", "content": first.content}, {"role": "user", "content": "And of Italy?"}]
    assert "Rome" in ask(claude, messages, system=cached, metadata={"user_id": "me"}).content[0].text


def test_an_answer_in_a_form(claude: Anthropic) -> None:
    form: Any = {"type": "json_schema", "schema": {"enum": ["Paris", "Rome"]}}
    message = ask(claude, output_config={"format": form})
    assert json.loads(message.content[0].text) in ("Paris", "Rome")


def test_the_beta_client(claude: Anthropic) -> None:
    message = claude.beta.messages.create(messages=PARIS, system=SYSTEM, betas=["any-2026-01-01"], **GREEDY)
    assert message.content[0].type == "text"


def test_errors_are_the_clients_exceptions(claude: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        ask(claude, model="nobody")
    assert missing.value.body["error"]["type"] == "not_found_error"  # type: ignore[call-overload, index]
    with pytest.raises(anthropic.BadRequestError, match="images"):
        ask(claude, [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://x/"}}]}])
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        ask(claude, max_tokens=0)


def test_a_tool_is_called_and_its_result_is_read(claude: Anthropic) -> None:
    """A small model: it is told to call, and calls are held to their schema; what it then says of the result is its."""
    messages: list[Any] = [{"role": "user", "content": "How is the weather in Lima?"}]
    options: dict[str, Any] = {"tools": [WEATHER], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
    first = ask(claude, messages, max_tokens=64, **options)
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use"
    assert (call.name, set(call.input)) == ("weather", {"city"})
    assert call.id == f"toolu_{first.noghost['instance']}_0"
    with claude.messages.stream(messages=messages, system=SYSTEM, **{**GREEDY, "max_tokens": 64}, **options) as stream:
        assert [block.input for block in stream.get_final_message().content if block.type == "tool_use"] == [call.input]
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "Rain, 18°."}]}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert ask(claude, messages, tools=[WEATHER]).usage.input_tokens > first.usage.input_tokens


def test_a_call_that_is_cut(claude: Anthropic) -> None:
    """20 tokens reach into the arguments."""
    message = ask(claude, max_tokens=20, tools=[WEATHER], tool_choice={"type": "tool", "name": "weather"})
    assert message.stop_reason == "max_tokens"
    assert message.content[0].input == {"INVALID_JSON": '{"city": "Paris'}


def test_tokens_are_counted_with_tools_and_without(claude: Anthropic) -> None:
    asked: dict[str, Any] = {"messages": PARIS, "system": SYSTEM, "tools": [WEATHER]}
    counted = claude.messages.count_tokens(model="default", **asked).input_tokens
    assert counted == ask(claude, max_tokens=1, tools=[WEATHER]).usage.input_tokens
    assert counted > claude.messages.count_tokens(model="default", messages=PARIS, system=SYSTEM).input_tokens
