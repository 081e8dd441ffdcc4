"""The events of a response, without a model: their order, and that pieces make no difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from api.response_order import is_in_order, told
from noghost.api.response_events import Account
from noghost.engine.families.events import CallArguments, CallBegun, CallEnded, Content, Event, Reasoning

ARGUMENTS = '{"city": "Paris"}'
ROW: list[Event] = [
    Reasoning("They ask for two things."),
    Content("I look both up."),
    CallBegun(0, "weather"),
    CallArguments(0, ARGUMENTS),
    CallEnded(0),
    CallBegun(1, "time"),
    CallArguments(1, "{}"),
    CallEnded(1),
    Content("Wait."),
]


def events_of(row: Sequence[Event], *, is_cut: bool = False) -> list[dict[str, Any]]:
    account = begun()
    events = [*account.begin()]
    for event in row:
        events += account.take([event], [])
    return [*events, *account.end({"input_tokens": 1}, {}, is_cut=is_cut)]


def begun() -> Account:
    fixed = {"model": "m", "instructions": None, "tools": [], "metadata": {}, "store": False}
    return Account("0" * 32, fixed, lambda: 5)


def test_every_kind_of_item() -> None:
    response = told(events_of(ROW))
    assert [item["type"] for item in response["output"]] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
        "message",
    ]
    assert {item["status"] for item in response["output"]} == {"completed"}
    assert response["output"][2]["arguments"] == ARGUMENTS
    assert len({item["id"] for item in response["output"]} | {response["output"][2]["call_id"]}) == 6
    assert (response["status"], response["completed_at"], response["incomplete_details"]) == ("completed", 5, None)


def test_nothing_said() -> None:
    assert told(events_of([]))["output"] == []


@pytest.mark.parametrize("at", range(1, len(ROW) + 1))
def test_cut_anywhere(at: int) -> None:
    """What was being said is incomplete; what was whole before is not."""
    response = told(events_of(ROW[:at], is_cut=True))
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["completed_at"] is None
    assert {item["status"] for item in response["output"][:-1]} <= {"completed"}


def test_a_call_that_is_cut_is_not_completed() -> None:
    """The parser ends it where it was cut: a caller must not run it."""
    cut = [CallBegun(0, "weather"), CallArguments(0, ARGUMENTS[:-2]), CallEnded(0)]
    assert told(events_of(cut, is_cut=True))["output"][0]["status"] == "incomplete"
    whole = told(events_of(ROW[:5], is_cut=True))["output"][-1]
    assert (whole["type"], whole["status"]) == ("function_call", "completed")


def test_an_answer_that_breaks_off() -> None:
    account = begun()
    events = [*account.begin(), *account.take(ROW[:2], []), *account.fail("it broke", is_ours=True)]
    response = told(events)
    assert response["error"] == {"code": "server_error", "message": "it broke"}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]


def pieces(row: Sequence[Event], cuts: list[int]) -> Iterator[Event]:
    """The same row with its texts cut into pieces of these lengths, again and again."""
    lengths = iter(cuts * 1000)
    for event in row:
        if not isinstance(event, Reasoning | Content | CallArguments):
            yield event
            continue
        text = event.text
        while text:
            length = next(lengths)
            piece, text = text[:length], text[length:]
            yield CallArguments(event.index, piece) if isinstance(event, CallArguments) else type(event)(piece)


@given(some.lists(some.integers(1, 30), min_size=1, max_size=8))
def test_pieces_make_no_difference(cuts: list[int]) -> None:
    assert told(events_of(list(pieces(ROW, cuts)))) == told(events_of(ROW))


def test_probabilities_are_those_of_the_message() -> None:
    one, two, three = ({"token": str(n), "logprob": -1.0, "bytes": [], "top_logprobs": []} for n in range(3))
    account = begun()
    events = [*account.begin(), *account.take([Reasoning("so")], [one]), *account.take([], [two])]
    events += [*account.take([Content("yes")], [three]), *account.end({}, {}, is_cut=False)]
    assert told(events)["output"][1]["content"][0]["logprobs"] == [two, three]


def test_the_grammar_refuses_what_is_out_of_order() -> None:
    """The control: each event is needed where it stands."""
    events = events_of(ROW)
    assert is_in_order(events)
    for at in range(len(events)):
        missing = [dict(event) for event in events[:at] + events[at + 1 :]]
        for number, event in enumerate(missing):
            event["sequence_number"] = number
        assert not is_in_order(missing) or events[at]["type"].endswith("delta")
    for at in range(len(events) - 1):
        swapped = [*events[:at], events[at + 1], events[at], *events[at + 2 :]]
        assert not is_in_order(swapped)
