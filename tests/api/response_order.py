"""The order in which events of a response may come, as a small grammar, and what each has to agree with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

LETTERS = {
    "response.created": "c",
    "response.in_progress": "p",
    "response.output_item.added": "A",
    "response.content_part.added": "P",
    "response.output_text.delta": "t",
    "response.output_text.done": "T",
    "response.reasoning_text.delta": "r",
    "response.reasoning_text.done": "R",
    "response.function_call_arguments.delta": "a",
    "response.function_call_arguments.done": "F",
    "response.content_part.done": "D",
    "response.output_item.done": "I",
    "response.completed": "e",
    "response.incomplete": "e",
    "response.failed": "e",
}
ALLOWED = re.compile("cp(?:APt+TDI|APr+RDI|Aa*FI)*e")
ENDS = {"response.completed", "response.incomplete", "response.failed"}


def is_in_order(events: Sequence[dict[str, Any]]) -> bool:
    """Whether the types follow the grammar, and are numbered from 0."""
    letters = "".join(LETTERS.get(event["type"], "?") for event in events)
    numbers = [event["sequence_number"] for event in events]
    return bool(ALLOWED.fullmatch(letters)) and numbers == list(range(len(events)))


def told(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The response that they end with, after everything told before was compared with it."""
    assert is_in_order(events), [event["type"] for event in events]
    first, last = events[0]["response"], events[-1]["response"]
    assert (first["status"], first["output"], first["usage"]) == ("in_progress", [], None)
    assert last["status"] == events[-1]["type"].removeprefix("response.")
    assert {name: first[name] for name in FIXED} == {name: last[name] for name in FIXED}
    assert [rebuilt(events, index) for index in range(len(last["output"]))] == last["output"]
    assert {event.get("output_index", 0) for event in events} <= set(range(max(1, len(last["output"]))))
    return dict(last)


FIXED = ("id", "created_at", "model", "instructions", "tools", "metadata", "store")


def rebuilt(events: Sequence[dict[str, Any]], index: int) -> dict[str, Any]:
    """One item, put together from its deltas, as a client does it."""
    own = [event for event in events if event.get("output_index") == index]
    item = dict(own[0]["item"])
    assert {event["item_id"] for event in own if "item_id" in event} == {item["id"]}
    assert item["status"] == "in_progress"
    text = "".join(event["delta"] for event in own if "delta" in event)
    if item["type"] == "function_call":
        assert (item["arguments"], own[-2]["arguments"]) == ("", text)
        item |= {"arguments": text}
    else:
        assert (item["content"], own[1]["part"]["text"], own[-3]["text"]) == ([], "", text)
        part = {**own[1]["part"], "text": text}
        if item["type"] == "message":
            part["logprobs"] = [one for event in own if "delta" in event for one in event["logprobs"]]
        assert own[-2]["part"] == part
        item |= {"content": [part]}
    item |= {"status": own[-1]["item"]["status"]}
    assert own[-1]["item"] == item
    return item
