"""A provider's chunks as events: whole, in pieces of every kind, and what no answer is."""

from __future__ import annotations

from typing import Any

import pytest

from noghost.api.upstream.deltas import Deltas
from noghost.api.upstream.faults import UpstreamError
from noghost.engine.families.events import CallArguments, CallBegun, CallEnded, Content, Event, Reasoning


def chunk(delta: Any, reason: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": reason}]}


def call(index: Any = 0, **function: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": function}]}


def read(*chunks: dict[str, Any]) -> tuple[list[Event], Deltas]:
    deltas = Deltas()
    events = [event for one in chunks for event in deltas.read(one)]
    return events + deltas.finish(), deltas


def test_reasoning_text_and_the_end() -> None:
    thought = {"reasoning": "hm", "reasoning_content": "hm"}
    events, deltas = read(chunk({"role": "assistant"}), chunk(thought), chunk({"content": "yes"}), chunk({}, "length"))
    assert events == [Reasoning("hm"), Content("yes")]
    assert deltas.reason == "length"


@pytest.mark.parametrize(("first", "second"), [(0, 1), (7, 9), (None, None)])
def test_calls_end_where_the_next_begins_whatever_their_numbers(first: Any, second: Any) -> None:
    events, deltas = read(
        chunk(call(first, name="f", arguments="")),
        chunk(call(first, arguments="{")),
        chunk(call(first, arguments="}")),
        chunk(call(second, name="g", arguments="{}"), "stop"),
    )
    assert events == [
        *(CallBegun(0, "f"), CallArguments(0, "{"), CallArguments(0, "}"), CallEnded(0)),
        *(CallBegun(1, "g"), CallArguments(1, "{}"), CallEnded(1)),
    ]
    assert deltas.reason == "tool_calls"


def test_a_name_that_is_repeated_begins_no_second_call() -> None:
    events, _ = read(chunk(call(name="f", arguments="{")), chunk(call(name="f", arguments="}")))
    assert events == [CallBegun(0, "f"), CallArguments(0, "{"), CallArguments(0, "}"), CallEnded(0)]


def test_choices_beside_the_first_and_empty_chunks_say_nothing() -> None:
    events, _ = read({"choices": []}, chunk(None), chunk({"content": "other"}, index=1), chunk({"content": None}))
    assert events == []


@pytest.mark.parametrize(
    "bad",
    [
        {"choices": ["x"]},
        chunk("x"),
        chunk({"content": 5}),
        chunk({"reasoning": ["x"]}),
        chunk({"tool_calls": "x"}),
        chunk({"tool_calls": ["x"]}),
        chunk({"tool_calls": [{"function": "x"}]}),
        chunk(call(arguments="{}")),
        chunk(call(name=["f"])),
        chunk(call(name="f", arguments={"a": 1})),
    ],
)
def test_what_is_no_answer_is_an_error(bad: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as raised:
        read(bad)
    assert raised.value.code == "upstream_invalid"


def test_arguments_of_a_call_that_has_ended_are_an_error() -> None:
    with pytest.raises(UpstreamError):
        read(chunk(call(0, name="f")), chunk(call(1, name="g")), chunk(call(0, arguments="{}")))


@pytest.mark.parametrize(("reason", "code"), [(None, "upstream_broken"), ("content_filter", "upstream_filtered")])
def test_an_end_that_is_none(reason: str | None, code: str) -> None:
    _, deltas = read(chunk({"content": "half"}, reason))
    with pytest.raises(UpstreamError) as raised:
        _ = deltas.reason
    assert raised.value.code == code
