"""Turns as items of a conversation at /v1/realtime, and back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from noghost.client.transcript import Turn
from noghost.client.transcript.message import of_turn

Item = dict[str, Any]


def items_of(turns: Iterable[Turn]) -> Iterator[Item]:
    """In their order; a turn that says nothing is none."""
    for turn in turns:
        if turn.role == "tool":
            yield {
                "type": "function_call_output",
                "call_id": str(of_turn(turn).get("tool_call_id")),
                "output": turn.text,
            }
        elif turn.text:
            kind = "output_text" if turn.role == "assistant" else "input_text"
            yield {"type": "message", "role": turn.role, "content": [{"type": kind, "text": turn.text}]}
        yield from calls_of(turn)


def calls_of(turn: Turn) -> Iterator[Item]:
    """What functions it called; a file may have there what is no call."""
    for call in of_turn(turn).get("tool_calls") or ():
        with suppress(KeyError, TypeError):
            function = call["function"]
            name, arguments = function["name"], function["arguments"]
            yield {"type": "function_call", "call_id": call["id"], "name": name, "arguments": arguments}


def said(item: Item) -> str:
    """The text of a message."""
    return "\n".join(part.get("transcript") or part.get("text") or "" for part in item["content"]).strip()
