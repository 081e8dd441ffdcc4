"""/v1/responses: OpenAI's client unchanged, every event in its order, and what is refused says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from api.capsules import KEY, key_header, two_parts
from api.capsules import send as send_parts
from api.response_order import told
from api.wire import Reply, ask, healthy, post
from noghost.api.pad import EVENT_BYTES
from running import Service

PATH = "/v1/responses"
SYSTEM = "You are a helpful assistant."
PARIS: dict[str, Any] = {
    "model": "default",
    "instructions": SYSTEM,
    "input": "What is the capital of France?",
    "temperature": 0,
}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OWN = {"id", "created_at", "completed_at", "noghost"}  # what differs between two answers to one request


class Choice(BaseModel):
    """A small answer."""

    colour: Literal["red", "white"]


@pytest.fixture(autouse=True)
def goes_on(service: Service) -> Iterator[None]:
    yield
    assert healthy(service)


def respond(service: Service, **changes: Any) -> Reply:
    return post(service, json.dumps(PARIS | changes).encode(), PATH)


def events_of(reply: Reply) -> list[dict[str, Any]]:
    """What a reader of server-sent events makes of it; each event's name is its type."""
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in reply.body.decode().split("\n\n")[:-1]:
        lines = [line.partition(": ") for line in block.split("\n") if not line.startswith(":")]
        fields = {name: value for name, _, value in lines}
        assert set(fields) == {"event", "data"}
        events.append(json.loads(fields["data"]))
        assert events[-1]["type"] == fields["event"]
    return events


def same(response: dict[str, Any]) -> dict[str, Any]:
    """The response without what is of its one invocation alone."""
    bare = {name: value for name, value in response.items() if name not in OWN}
    return bare | {"output": [{**item, "id": ""} for item in bare["output"]]}


def test_whole(client: OpenAI) -> None:
    answer = client.responses.create(**PARIS, metadata={"a": "b"}, store=False)
    assert answer.output_text == "The capital of France is Paris."
    assert (answer.object, answer.status, answer.error) == ("response", "completed", None)
    assert answer.usage is not None
    assert (answer.usage.output_tokens, answer.usage.output_tokens_details.reasoning_tokens) == (8, 0)
    assert answer.usage.total_tokens == answer.usage.input_tokens + 8
    told_of: Any = answer
    assert answer.id == "resp_" + told_of.noghost["instance"]
    assert (told_of.store, answer.metadata, answer.instructions) == (False, {"a": "b"}, SYSTEM)
    assert answer.model == client.models.list().data[0].id


def test_it_is_the_chat_request_that_asks_for_the_same(service: Service) -> None:
    seeded: dict[str, Any] = {"temperature": 1, "seed": 3, "noghost": {"threads": 1}}
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PARIS["input"]}]
    chat = ask(service, messages=messages, **seeded, max_tokens=12).json
    response = respond(service, **seeded, max_output_tokens=12).json
    assert response["output"][0]["content"][0]["text"] == chat["choices"][0]["message"]["content"]
    assert response["usage"]["input_tokens"] == chat["usage"]["prompt_tokens"]


def test_streamed_is_the_same_as_whole(service: Service) -> None:
    response = told(events_of(respond(service, stream=True, include=["message.output_text.logprobs"])))
    whole = respond(service, include=["message.output_text.logprobs"]).json
    assert same(response) == same(whole)
    assert response["noghost"].keys() == whole["noghost"].keys()
    logprobs = whole["output"][0]["content"][0]["logprobs"]
    assert "".join(one["token"] for one in logprobs) == "The capital of France is Paris."


def test_the_clients_stream(client: OpenAI) -> None:
    with client.responses.stream(**PARIS) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(deltas) == stream.get_final_response().output_text == "The capital of France is Paris."


def test_cut_at_its_bound_of_tokens(service: Service) -> None:
    response = told(events_of(respond(service, stream=True, max_output_tokens=2)))
    assert (response["status"], response["output"][0]["status"]) == ("incomplete", "incomplete")
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert same(respond(service, max_output_tokens=2).json) == same(response)


def test_parsed_by_a_schema(client: OpenAI) -> None:
    answer = client.responses.parse(model="default", input="Red or white?", text_format=Choice)
    assert isinstance(answer.output_parsed, Choice)


def test_a_json_object(client: OpenAI) -> None:
    answer = client.responses.create(
        model="default", input="Hi", text={"format": {"type": "json_object"}}, max_output_tokens=1, temperature=0
    )
    assert answer.output_text.startswith("{")


def test_the_output_is_input_of_the_next_turn(client: OpenAI) -> None:
    """What other services keep for `previous_response_id`, the caller has in its hands."""
    first = client.responses.create(**PARIS)
    items: list[Any] = [{"role": "user", "content": PARIS["input"]}, *first.output]
    items.append({"role": "user", "content": [{"type": "input_text", "text": "And of Italy?"}]})
    assert "Rome" in client.responses.create(**PARIS | {"input": items}, max_output_tokens=16).output_text


def test_every_event_is_filled_up(service: Service) -> None:
    reply = respond(service, stream=True, max_output_tokens=2, stream_options={"include_obfuscation": True})
    blocks = reply.body.split(b"\n\n")[:-1]
    assert {(len(block) + len(b"\n\n")) % EVENT_BYTES for block in blocks} == {0}
    assert told(events_of(reply))["status"] == "incomplete"


def test_what_is_accepted_and_has_no_effect(service: Service) -> None:
    ignored = {
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "service_tier": "auto",
        "max_tool_calls": 1,
    }
    harmless = {"store": False, "background": False, "truncation": "disabled", "tools": [], "tool_choice": "auto"}
    options = {"text": {"format": {"type": "text"}, "verbosity": "medium"}, "reasoning": {"summary": "auto"}}
    nulls = dict.fromkeys(("previous_response_id", "conversation", "include", "metadata", "top_p", "stream_options"))
    reply = respond(service, **ignored, **harmless, **options, **nulls)
    assert reply.status == 200
    assert reply.json["output"][0]["content"][0]["text"] == "The capital of France is Paris."


# what is asked for, the field that the error names, a word of what to do instead
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"store": True}, "store", "keep the answer yourself"),
    ({"previous_response_id": "resp_1"}, "previous_response_id", "send the earlier items again in input"),
    ({"conversation": "conv_1"}, "conversation", "send the earlier items again in input"),
    ({"conversation": {"id": "conv_1"}}, "conversation", "send the earlier items again in input"),
    ({"background": True}, "background", "leave it out"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt", "instructions"),
    ({"truncation": "auto"}, "truncation", "leave it out"),
    ({"context_management": [{"type": "compaction"}]}, "context_management", "not supported"),
    ({"prompt_cache_retention": "24h"}, "prompt_cache_retention", "not supported"),
    ({"moderation": {"model": "m"}}, "moderation", "not supported"),
    ({"reasoning": {"summary": "detailed"}}, "reasoning.summary", "leave it out"),
    ({"text": {"verbosity": "low"}}, "text.verbosity", "not supported"),
    ({"include": ["reasoning.encrypted_content"]}, "include", "reasoning comes as text"),
    ({"noghost": {"capsule": True}}, "noghost.capsule", "/v1/chat/completions"),
    ({"input": [{"type": "reasoning", "encrypted_content": "x"}]}, "encrypted_content", "leave encrypted_content out"),
]


@pytest.mark.parametrize(("changes", "param", "instead"), REFUSED, ids=[str(one[0])[:60] for one in REFUSED])
def test_refused_with_what_to_do_instead(service: Service, changes: dict[str, Any], param: str, instead: str) -> None:
    reply = respond(service, **changes)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "unsupported_parameter", param)
    assert instead in reply.error["message"]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"input": None}, "input", ""),
    ({"input": 5}, "input", ""),
    ({"input": []}, "input", "at least 1"),
    ({"input": [5]}, "input[0]", ""),
    ({"input": [{"role": "tool", "content": "Hi"}]}, "input[0].role", ""),
    ({"input": [{"role": "user"}]}, "input[0].content", ""),
    ({"input": [{"type": "item_reference", "id": "i"}]}, "input[0]", "nothing is kept here"),
    ({"input": [{"type": "web_search_call", "id": "i"}]}, "input[0]", "function_call_output"),
    ({"input": [{"type": ["message"]}]}, "input[0]", ""),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type", "text parts"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file", "text": ""}]}]},
        "input[0].content[0].type",
        "text",
    ),
    ({"input": [{**CALL, "arguments": {}}]}, "input[0].arguments", ""),
    ({"input": [{**CALL, "arguments": '{"a'}]}, "input[0].arguments", "JSON"),
    ({"input": [{"role": "user", "content": "Hi"}, CALL]}, "input", "results after it"),
    ({"input": chr(0xD800)}, "input", "surrogate"),
    ({"max_output_tokens": 0}, "max_output_tokens", ""),
    ({"temperature": 3}, "temperature", ""),
    ({"top_logprobs": 21}, "top_logprobs", ""),
    ({"tools": [{"type": "web_search"}]}, "tools[0]", "web_search is not supported"),
    ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0]", "mcp is not supported"),
    ({"tools": [{"type": "nonsense", "name": "f"}]}, "tools[0]", "this tool is not supported"),
    ({"tool_choice": {"type": "file_search"}}, "tool_choice", "file_search is not supported"),
    ({"tool_choice": "required"}, "tool_choice", "no tools"),
    ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice", "no tools"),
    ({"tools": [{"type": "function", "name": "two words"}]}, "tools[0].name", ""),
    ({"tools": [{"type": "function", "name": "f"}] * 2}, "tools", "the same name"),
    ({"reasoning": {"effort": "much"}}, "reasoning.effort", ""),
    ({"text": {"format": {"type": "grammar"}}}, "text.format.type", ""),
    ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema", ""),
    ({"text": {"format": {"type": "json_schema", "name": "a", "schema": {"not": {}}}}}, "text.format", "not"),
    ({"metadata": {"a": 5}}, "metadata", ""),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "16 pairs"),
    ({"stream": "yes"}, "stream", ""),
    ({"noghost": {"threads": 256}}, "noghost.threads", ""),
]


@pytest.mark.parametrize(("changes", "param", "word"), WRONG, ids=[str(one[0])[:60] for one in WRONG])
def test_wrong(service: Service, changes: dict[str, Any], param: str, word: str) -> None:
    reply = respond(service, **changes)
    assert (reply.status, reply.error["param"]) == (400, param)
    assert word in reply.error["message"]


def test_longer_than_the_context(strict: Service) -> None:
    reply = respond(strict, input="word " * 600)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "context_length_exceeded", "input")


def test_a_capsule_is_refused(service: Service) -> None:
    body = two_parts(json.dumps(PARIS).encode(), b"0")
    reply = send_parts(service, body, key_header(KEY), kind="multipart/mixed; boundary=in-between", path=PATH)
    assert (reply.status, reply.error["param"]) == (400, "noghost.capsule")


def test_an_unknown_model(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.responses.create(model="nobody", input="Hi")
    assert missing.value.code == "model_not_found"


WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def test_a_call_and_its_result(service: Service) -> None:
    """Whole and streamed; what the function gave back goes with the call into the next request."""
    asked = {"input": "What is the weather in Paris?", "tools": [WEATHER], "tool_choice": "required"}
    response = told(events_of(respond(service, **asked, parallel_tool_calls=False, stream=True)))
    assert response["status"] == "completed"
    [call] = response["output"]
    assert (call["type"], call["name"], call["status"]) == ("function_call", "get_weather", "completed")
    assert json.loads(call["arguments"])["city"] in ("Paris", "Rome")
    assert response["tools"] == [WEATHER]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "It is sunny, 21 degrees."}
    items = [{"role": "user", "content": asked["input"]}, call, result]
    reply = respond(service, input=items, tools=[WEATHER], tool_choice="none", max_output_tokens=24)
    assert reply.json["output"][0]["type"] == "message"


def test_a_named_function(client: OpenAI) -> None:
    other: Any = WEATHER | {"name": "get_time"}
    tools: Any = [WEATHER, other]
    choice: Any = {"type": "function", "name": "get_time"}
    answer = client.responses.create(**PARIS, tools=tools, tool_choice=choice)
    assert [item.name for item in answer.output if item.type == "function_call"] == ["get_time"]


def test_the_clients_stream_of_a_call(client: OpenAI) -> None:
    tools: Any = [WEATHER]
    with client.responses.stream(**PARIS, tools=tools, tool_choice="required", parallel_tool_calls=False) as stream:
        deltas = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        [call] = stream.get_final_response().output
    assert call.type == "function_call"
    assert call.arguments == "".join(deltas)
