"""Tools and tool calls: told to the default model, whose template shows none, held where they must be."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from openai import OpenAI

from api.wire import ask, healthy, post
from running import Service

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}


def tool(name: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


TOOLS = [tool("get_weather", WEATHER, description="The weather of a city."), tool("now")]
QUESTION = [{"role": "user", "content": "What is the weather in Paris for 3 days?"}]
ASKED: dict[str, Any] = {"messages": QUESTION, "tools": TOOLS, "temperature": 1.0, "max_tokens": 120}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
MARKER = "zqxv-marker-7319"


NOT_HELD = {"type": "object", "properties": {"a": {"not": {}}}}


def tokenized(service: Service, messages: list[dict[str, Any]], **more: Any) -> Any:
    """The tokens that a chat request with these messages has, and their texts."""
    body = {"messages": messages, "return_token_strs": True, **more}
    return post(service, json.dumps(body).encode(), "/v1/tokenize").json


def valid(call: dict[str, Any]) -> bool:
    schema = WEATHER if call["function"]["name"] == "get_weather" else {"maxProperties": 0}
    return jsonschema_rs.is_valid(schema, json.loads(call["function"]["arguments"]))


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_call_that_must_be_is_valid(service: Service, choice: Any) -> None:
    for seed in (1, 2):
        asked = ask(service, **ASKED, seed=seed, tool_choice=choice, parallel_tool_calls=False).json["choices"][0]
        (call,) = asked["message"]["tool_calls"]
        assert valid(call)
        assert (asked["finish_reason"], asked["message"]["content"], call["type"]) == ("tool_calls", None, "function")
        assert call["id"].startswith("call_")
        assert choice == "required" or call["function"]["name"] == "get_weather"


@pytest.mark.slow
def test_each_of_several_choices_calls(service: Service) -> None:
    choices = ask(service, **ASKED, seed=4, tool_choice="required", n=2).json["choices"]
    calls = [call for choice in choices for call in choice["message"]["tool_calls"]]
    assert all(valid(call) for call in calls if call["function"]["arguments"].endswith("}"))
    assert len({call["id"] for call in calls}) == len(calls) >= 2


@pytest.mark.slow
def test_a_stream_has_the_same_call(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": "default", "messages": QUESTION, "tools": TOOLS, "tool_choice": NAMED, "seed": 5}
    own = {"noghost": {"threads": 1}}
    whole = client.chat.completions.create(**asked, extra_body=own).choices[0].message.tool_calls
    with client.chat.completions.stream(**asked, extra_body=own) as stream:
        deltas = [event.chunk.choices[0].delta.tool_calls for event in stream if event.type == "chunk"]
        final = stream.get_final_completion().choices[0]
    first, *rest = [delta[0] for delta in deltas if delta]
    assert (first.index, first.type, first.function.name, first.function.arguments) == (
        0,
        "function",
        "get_weather",
        "",
    )
    assert first.id
    assert all(one.id is None and one.function.name is None for one in rest)
    assert len(rest) > 1
    assert whole
    assert final.message.tool_calls
    assert final.message.tool_calls[0].function.arguments == whole[0].function.arguments
    assert final.finish_reason == "tool_calls"


@pytest.mark.slow
def test_without_a_choice_the_model_may_answer(service: Service) -> None:
    """`auto` holds nothing, and with `none` what looks like a call is text."""
    for choice in ("auto", "none"):
        message = ask(service, **ASKED, seed=1, tool_choice=choice).json["choices"][0]["message"]
        assert message["content"] or message["tool_calls"]
        assert choice == "auto" or "tool_calls" not in message


@pytest.mark.parametrize("body", [{"tools": [tool("f", NOT_HELD, strict=True)]}, {"parallel_tool_calls": False}])
def test_calls_beside_text_are_held_where_that_is_asked_for(service: Service, body: dict[str, Any]) -> None:
    """What cannot be held shows it: the same tool without that is taken."""
    reply = ask(service, messages=QUESTION, **({"tools": [tool("f", NOT_HELD)]} | body))
    assert (reply.status, reply.error["param"]) == (400, "tools[0].function.parameters")
    assert ask(service, messages=QUESTION, max_tokens=1, tools=[tool("f", NOT_HELD)]).status == 200


def test_a_dialogue_with_results_is_told(service: Service) -> None:
    """As text, since the default model's template takes neither; the tools come before it."""
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    results = [{"role": "tool", "tool_call_id": "call_1", "content": text} for text in ("18 degrees", "dry")]
    messages = [*QUESTION, called, *results]
    told = tokenized(service, messages)
    assert "".join(told["token_strs"]).endswith(
        "<|im_start|>assistant\n"
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\n18 degrees\n</tool_response>\n"
        "<tool_response>\ndry\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )
    plain, with_tools = (
        ask(service, messages=messages, max_tokens=1, **more).json["usage"]["prompt_tokens"]
        for more in ({}, {"tools": TOOLS})
    )
    assert plain == told["count"] < with_tools == tokenized(service, messages, tools=TOOLS)["count"]


FUNCTION = {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("a name with a blank", {"tools": [tool(f"{MARKER} x")]}, "tools[0].function.name"),
    ("no name", {"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ("another type", {"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ("no object", {"tools": [tool("f", {"type": "string"})]}, "tools[0].function.parameters"),
    ("two of a name", {"tools": [tool("f"), tool("f")]}, "tools"),
    ("too many", {"tools": [tool(f"f{number}") for number in range(129)]}, "tools"),
    ("a choice without tools", {"tool_choice": "required"}, "tool_choice"),
    ("a choice of none of them", {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": MARKER}}},
     "tool_choice"),
    ("no such choice", {"tools": TOOLS, "tool_choice": MARKER}, "tool_choice"),
    ("what came before tools", {"functions": [{"name": MARKER}]}, "functions"),
    ("its choice", {"function_call": {"name": MARKER}}, "function_call"),
    ("arguments that are no JSON", {"messages": [*QUESTION, {"role": "assistant", "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": MARKER}}]}]},
     "messages[1].tool_calls[0].function.arguments"),
    ("a call of the user's", {"messages": [FUNCTION | {"role": "user"}]}, "messages[0]"),
    ("a call without its result", {"messages": [*QUESTION, FUNCTION]}, "messages"),
    ("reasoning to go on with", {"messages": [*QUESTION, {"role": "assistant", "reasoning": "a"}]}, "messages"),
    ("two reasonings", {"messages": [*QUESTION, {"role": "assistant", "reasoning": "a", "reasoning_content": "b"}]},
     "messages[1]"),
    ("a schema that cannot be held", {"tool_choice": "required", "tools": [
        tool("g"), tool("f", {"type": "object", "properties": {MARKER: {"not": {}}}})]},
     "tools[1].function.parameters"),
    ("a call that must be and JSON", {"tools": TOOLS, "tool_choice": "required",
                                      "response_format": {"type": "json_object"}}, "response_format"),
    ("a call that must be without end", {"tools": TOOLS, "tool_choice": "required", "ignore_eos": True}, "ignore_eos"),
    ("another variable", {"chat_template_kwargs": {MARKER: 1}}, "chat_template_kwargs"),
    ("a contradiction", {"thinking": {"type": "enabled"}, "noghost": {"thinking": False}}, "thinking"),
    ("another", {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": True}},
     "chat_template_kwargs"),
    ("two efforts", {"reasoning_effort": "low", "chat_template_kwargs": {"reasoning_effort": "high"}},
     "reasoning_effort"),
    ("no effort", {"reasoning_effort": MARKER}, "reasoning_effort"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_refused_by_its_place(service: Service, body: dict[str, Any], param: str) -> None:
    reply = ask(service, **({"messages": QUESTION} | body))
    assert reply.status == 400, reply.body
    assert reply.json["error"]["param"] == param
    assert MARKER.encode() not in reply.body
    assert healthy(service)
