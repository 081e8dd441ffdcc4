"""Events and the whole message: one machine, the same however an answer is cut into pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noghost.api.message_answer import NO_JSON, Message
from noghost.engine.families.events import CallArguments, CallBegun, CallEnded, Content, Event, Reasoning
from noghost.engine.families.family import FAMILIES, PLAIN, family_of
from noghost.engine.generate import Done

HEX = "0123456789abcdef" * 2
HERMES = family_of("<tool_call> <think> </think>")
GLM = next(family for family in FAMILIES if family.name == "glm")
CALLS = (
    "<think>\nTwo cities.\n</think>\n\nI look.\n"
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Lima", "days": 2}}\n</tool_call>\n'
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
)
TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


def done(reason: Any = "stop", stop: str | None = None, tokens: int = 7) -> Done:
    return Done(reason, 5, tokens, 0.0, 0.0, stop)


def told(events: list[list[Event]], end: Done | None = None, **options: Any) -> tuple[list[dict[str, Any]], Any]:
    """(what a stream sends, the whole message)."""
    message = Message(HEX, "a model", 5, **options)
    wires = [json.loads(json.dumps(message.start()))]
    for piece in events:
        wires += json.loads(json.dumps(message.feed(piece)))
    wires += json.loads(json.dumps(message.end(end or done(), 7, {"seed": 1})))
    return wires, message.whole


def rebuilt(wires: list[dict[str, Any]]) -> dict[str, Any]:
    """The message as a caller puts it together; each block is open alone, and by its own number."""
    first, *others = wires
    assert first["type"] == "message_start"
    message: dict[str, Any] = first["message"] | {"content": []}
    opened: list[str] = []
    for wire in others:
        match wire["type"]:
            case "content_block_start":
                assert not opened
                assert wire["index"] == len(message["content"])
                message["content"].append(wire["content_block"])
                opened = [""]
            case "content_block_delta":
                assert wire["index"] == len(message["content"]) - 1
                delta, block = dict(wire["delta"]), message["content"][-1]
                kind = delta.pop("type")
                (name, text), *more = delta.items()
                assert opened
                assert not more
                if kind == "input_json_delta":
                    opened[0] += text
                else:
                    assert kind == f"{name}_delta"
                    block[name] += text
            case "content_block_stop":
                assert opened
                assert wire["index"] == len(message["content"]) - 1
                if message["content"][-1]["type"] == "tool_use":
                    message["content"][-1]["input"] = json.loads(opened[0] or "{}")
                opened = []
            case "message_delta":
                message |= wire["delta"] | {"usage": wire["usage"], "noghost": wire["noghost"]}
    assert not opened
    assert [wire["type"] for wire in others[-2:]] == ["message_delta", "message_stop"]
    return message


def parsed(pieces: list[str], family: Any = HERMES) -> list[list[Event]]:
    parser = family.parser("", TOOLS)
    return [*(parser.feed(piece) for piece in pieces), parser.finish()]


def test_an_answer_of_everything() -> None:
    wires, whole = told(parsed([CALLS]), done("tool_calls"))
    assert whole == {
        "id": f"msg_{HEX}",
        "type": "message",
        "role": "assistant",
        "model": "a model",
        "content": [
            {"type": "thinking", "thinking": "Two cities.", "signature": ""},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": f"toolu_{HEX}_0", "name": "weather", "input": {"city": "Lima", "days": 2}},
            {"type": "tool_use", "id": f"toolu_{HEX}_1", "name": "weather", "input": {"city": "Oslo"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 5,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 7,
        },
        "noghost": {"seed": 1},
    }
    assert rebuilt(wires) == whole
    assert wires[0]["message"]["usage"]["output_tokens"] == 0


@pytest.mark.parametrize("at", range(len(CALLS) + 1))
def test_split_anywhere_it_is_the_same(at: int) -> None:
    _, expected = told(parsed([CALLS]))
    wires, whole = told(parsed([CALLS[:at], CALLS[at:]]))
    assert whole == expected == rebuilt(wires)


def test_letter_by_letter_it_is_the_same() -> None:
    wires, whole = told(parsed(list(CALLS)))
    assert whole == told(parsed([CALLS]))[1] == rebuilt(wires)


def test_text_within_a_call_comes_after_it() -> None:
    """GLM's parser tells text between two arguments as content: the block of the call is still open then."""
    text = "<tool_call>weather<arg_key>city</arg_key><arg_value>Lima</arg_value>stray</tool_call>"
    for pieces in ([text], list(text)):
        events = parsed(pieces, GLM)
        kinds = [type(event) for piece in events for event in piece]
        assert kinds.index(Content) < kinds.index(CallEnded), "control: it is told before the call's end"
        wires, whole = told(events)
        assert [block["type"] for block in whole["content"]] == ["tool_use", "text"]
        assert (whole["content"][0]["input"], whole["content"][1]["text"]) == ({"city": "Lima"}, "stray")
        assert rebuilt(wires) == whole


def test_a_call_that_begins_within_another_comes_after_it() -> None:
    inner = [CallBegun(1, "b"), CallArguments(1, '{"n": 2}'), Content("x"), CallEnded(1)]
    wires, whole = told([[CallBegun(0, "a")], inner, [CallArguments(0, '{"n": 1}'), CallEnded(0)]])
    assert [block.get("input", block.get("text")) for block in whole["content"]] == [{"n": 1}, {"n": 2}, "x"]
    assert rebuilt(wires) == whole


@pytest.mark.parametrize("arguments", ['{"city": "Li', "[]", "5", "[" * 100_000])
def test_arguments_that_are_no_object_are_wrapped(arguments: str) -> None:
    _, whole = told([[CallBegun(0, "weather"), CallArguments(0, arguments), CallEnded(0)]], done("length"))
    assert whole["content"][0]["input"] == {NO_JSON: arguments}
    assert whole["stop_reason"] == "max_tokens"


def test_an_empty_answer_has_no_blocks() -> None:
    wires, whole = told([[]])
    assert (whole["content"], whole["stop_reason"]) == ([], "end_turn")
    assert [wire["type"] for wire in wires] == ["message_start", "message_delta", "message_stop"]


def test_thinking_can_be_left_out() -> None:
    wires, whole = told([[Reasoning("I think."), Content("Yes.")]], shows_thinking=False)
    assert [block["type"] for block in whole["content"]] == ["text"]
    assert rebuilt(wires) == whole
    assert len(told([[Reasoning("I think."), Content("Yes.")]])[1]["content"]) == 2


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (done(), "end_turn"),
        (done("tool_calls"), "tool_use"),
        (done("length"), "max_tokens"),
        (done("length", tokens=6), "model_context_window_exceeded"),
        (done(stop="END"), "stop_sequence"),
        (done("tool_calls", stop="END"), "stop_sequence"),
    ],
)
def test_why_it_ended(end: Done, reason: str) -> None:
    _, whole = told([PLAIN.parser("").feed("Yes.")], end)
    assert (whole["stop_reason"], whole["stop_sequence"]) == (reason, end.stop)
