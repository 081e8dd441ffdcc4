"""GLM-4.7's template and syntax through the whole service, by a tiny glm4moe of random weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openai import OpenAI

from api.test_api_tools import tokenized, tool
from api.wire import Reply, ask, post
from engine.families import source_of
from fuzz.tiny_kinds import glm
from running import Service, running, wait_for

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 8},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = [tool("get_weather", WEATHER), tool("now")]
QUESTION = [{"role": "user", "content": "How is the weather?"}]
CALL = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo", "days": 2}'}}
DIALOGUE = [
    *QUESTION,
    {"role": "assistant", "content": None, "reasoning_content": "I look.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": "cold"},
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home: Path = tmp_path_factory.mktemp("glm")
    (home / "glm.gguf").write_bytes(glm(source_of("glm-4.7").encode()).render())
    with running(home, "--model", str(home / "glm.gguf"), "--context", "4096") as found:
        yield found


def asked(service: Service, **body: Any) -> Reply:
    reply = ask(service, **({"messages": QUESTION, "max_tokens": 40, "temperature": 1.0, "seed": 1} | body))
    assert reply.status == 200, reply.body
    return reply


def prompt_tokens(service: Service, **body: Any) -> int:
    return int(asked(service, max_tokens=1, **body).json["usage"]["prompt_tokens"])


@pytest.mark.parametrize(
    "off",
    [
        {"thinking": {"type": "disabled"}},
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"noghost": {"thinking": False}},
        {"reasoning_effort": "none"},
    ],
)
def test_thinking_is_on_until_it_is_turned_off(service: Service, off: dict[str, Any]) -> None:
    """Control: the same random weights, from the two tags that the template ends in."""
    on = asked(service).json["choices"][0]["message"]
    assert on["reasoning_content"]
    message = asked(service, **off).json["choices"][0]["message"]
    assert "reasoning_content" not in message
    assert message["content"]


def test_the_dialogue_is_the_templates(service: Service) -> None:
    told = tokenized(service, DIALOGUE)
    assert "".join(told["token_strs"]) == (
        "[gMASK]<sop><|user|>How is the weather?<|assistant|><think>I look.</think>"
        "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Oslo</arg_value>"
        "<arg_key>days</arg_key><arg_value>2</arg_value></tool_call>"
        "<|observation|><tool_response>cold</tool_response><|assistant|><think>"
    )
    assert told["count"] == prompt_tokens(service, messages=DIALOGUE)


def test_earlier_reasoning_reaches_the_template(service: Service) -> None:
    """Kept within a turn; of turns before, where clear_thinking is false."""
    bare = [{key: value for key, value in message.items() if key != "reasoning_content"} for message in DIALOGUE]
    assert prompt_tokens(service, messages=DIALOGUE) > prompt_tokens(service, messages=bare)
    later = [*DIALOGUE, {"role": "assistant", "content": "Cold."}, *QUESTION]
    cleared = prompt_tokens(service, messages=later)
    for kept in ({"thinking": {"clear_thinking": False}}, {"chat_template_kwargs": {"clear_thinking": False}}):
        assert prompt_tokens(service, messages=later, **kept) > cleared


@pytest.mark.parametrize(
    "more",
    [
        {"tools": TOOLS},
        {"tools": TOOLS, "tool_choice": "none"},
        {"tools": TOOLS, "tool_choice": "required"},
        {"thinking": {"type": "disabled"}},
        {"noghost": {"thinking": False}},
        {"response_format": {"type": "json_object"}},
        {"messages": [*DIALOGUE, {"role": "assistant", "content": "It is"}]},
    ],
    ids=str,
)
def test_tokens_are_those_of_the_chat_request(service: Service, more: dict[str, Any]) -> None:
    """Whatever changes the prompt: tools, thinking, an answer that goes on."""
    body = {"messages": DIALOGUE} | more
    counted = tokenized(service, **body)
    assert counted["count"] == prompt_tokens(service, **body)
    shown = more.get("tools") and more.get("tool_choice") != "none"
    assert ("get_weather" in "".join(counted["token_strs"]).partition("<|user|>")[0]) == bool(shown)


@pytest.mark.parametrize("thinks", [True, False])
def test_tokens_of_the_reasoning_are_told(service: Service, thinks: bool) -> None:
    body: dict[str, Any] = {"noghost": {"thinking": thinks}, "n": 2}
    answer = asked(service, **body).json
    thoughts = [choice["message"].get("reasoning_content", "") for choice in answer["choices"]]
    told = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    bodies = [json.dumps({"content": text, "parse_special": False}).encode() for text in thoughts]
    assert told == sum(post(service, body, "/v1/tokenize").json["count"] for body in bodies)
    assert bool(told) == thinks
    streamed = asked(service, **body, stream=True, stream_options={"include_usage": True})
    events = [json.loads(line[6:]) for line in streamed.body.decode().split("\n") if line.startswith("data: {")]
    assert events[-1]["usage"] == answer["usage"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_even_random_weights_call(service: Service, choice: Any, stream: bool) -> None:
    with OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0, timeout=60) as client:
        for seed in (1, 2):
            body: dict[str, Any] = {"messages": DIALOGUE, "tools": TOOLS, "tool_choice": choice, "temperature": 1.0}
            said = {"model": "default", "seed": seed, "parallel_tool_calls": False, "max_tokens": 300} | body
            if stream:
                with client.chat.completions.stream(**said) as events:
                    whole = events.get_final_completion().choices[0]
            else:
                whole = client.chat.completions.create(**said).choices[0]
            assert whole.finish_reason == "tool_calls"
            assert whole.message.tool_calls
            (call,) = whole.message.tool_calls
            schema = WEATHER if call.function.name == "get_weather" else {"maxProperties": 0}
            assert jsonschema_rs.is_valid(schema, json.loads(call.function.arguments))


def test_thinking_may_come_before_a_call(service: Service) -> None:
    """Asked for, it is free; random weights end it by chance, so what is looked at is that it begins."""
    message = asked(service, tools=TOOLS, tool_choice="required", thinking={"type": "enabled"}).json["choices"][0]
    assert message["message"]["reasoning_content"]


def test_it_is_wiped_and_has_a_receipt(service: Service) -> None:
    reply = asked(service, tools=TOOLS, tool_choice="required", max_tokens=300)
    invocation = reply.json["noghost"]["instance"]
    wait_for(lambda: "wiped" in service.noghost("receipts", "show", invocation).stdout, 30, "the wipe's receipt")
