"""ShareGPT's form: `{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}`.

Names of speakers as they are in axolotl's and LLaMA-Factory's documentation of it. What a turn has besides, and a name
that is not the usual one, is the fact `sharegpt`, and is written back.
"""

from __future__ import annotations

import json
from typing import Any

from noghost.client.transcript.forms.found import Found, listed, model_or, now, text_or
from noghost.client.transcript.forms.openai import UNKNOWN
from noghost.client.transcript.transcript import Transcript
from noghost.client.transcript.turn import Turn
from noghost.errors import TranscriptError

USUAL = {"user": "human", "assistant": "gpt", "system": "system", "tool": "tool"}
ROLES = {name: role for role, name in USUAL.items()} | {
    "user": "user",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "function": "tool",
}


def read(one: dict[str, Any]) -> Found:
    """A system message beside the conversation becomes the first turn."""
    turns = [_turn(given, number) for number, given in enumerate(listed(one.get("conversations"), "conversations"), 1)]
    if system := text_or(one.get("system")):
        turns.insert(0, Turn("system", system))
    found = Found(Transcript("Conversation", model_or(one.get("model"), UNKNOWN), now(), turns))
    found.left_out.update(f"field {name}" for name in one if name not in ("conversations", "system", "model", "id"))
    return found


def write(transcript: Transcript) -> str:
    """One conversation, in a list, as the data sets have them."""
    turns = [_message(turn) for turn in transcript.turns]
    return json.dumps([{"conversations": turns}], ensure_ascii=False, indent=1) + "\n"


def _turn(given: dict[str, Any], number: int) -> Turn:
    name, text = given.get("from"), given.get("value")
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None or not isinstance(text, str):
        raise TranscriptError(f"cannot read turn {number}: it is from nobody known, or its value is no text")
    further = {key: value for key, value in given.items() if key not in ("from", "value")}
    if name != USUAL[role]:
        further["from"] = name
    return Turn(role, text, {"sharegpt": further} if further else {})


def _message(turn: Turn) -> dict[str, Any]:
    kept = turn.facts.get("sharegpt")
    further = kept if isinstance(kept, dict) else {}
    name = further.get("from") if ROLES.get(str(further.get("from"))) == turn.role else USUAL[turn.role]
    return {**further, "from": name, "value": turn.text}
