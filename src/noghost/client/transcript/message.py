"""A turn and a message of the API: what of a message is more than role and text is the fact `message`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from noghost.client.transcript.lines import ROLES
from noghost.client.transcript.turn import Turn
from noghost.errors import TranscriptError

ALIASES = {"developer": "system", "function": "tool"}


def of_turn(turn: Turn) -> dict[str, Any]:
    """`{"role": …, "content": …}` and the fields that the fact `message` has. Calls without text have content null."""
    kept = turn.facts.get("message")
    further = kept if isinstance(kept, dict) else {}
    role = further.get("role") if ALIASES.get(str(further.get("role"))) == turn.role else turn.role
    content = None if not turn.text and "tool_calls" in further else turn.text
    return further | {"role": role, "content": content}


def to_turn(message: Mapping[str, Any], number: int) -> Turn:
    """The inverse; `number` is for the error. Raises TranscriptError."""
    if not isinstance(message, Mapping) or not isinstance(name := message.get("role"), str):
        raise fault(number, "it is no object with a role")
    further = {key: value for key, value in message.items() if key not in ("role", "content")}
    role = ALIASES.get(name, name)
    if role not in ROLES:
        raise fault(number, "a transcript has no such role")
    if role != name:
        further["role"] = name
    text = text_of(message.get("content"), number)
    return Turn(role, text, {"message": further} if further else {})


def text_of(content: object, number: int) -> str:
    """A message's content as text: a text, nothing, or parts that are text."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [None]
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise fault(number, "its content is not text alone")
    return "".join(text for text in texts if text)


def fault(number: int, reason: str) -> TranscriptError:
    """An error that names the message by its number, counted from 1."""
    return TranscriptError(f"cannot read message {number}: {reason}")
