"""The messages of OpenAI's API: `{"model": …, "messages": [{"role": …, "content": …}]}`, as in a request."""

from __future__ import annotations

import json
from typing import Any

from noghost.client.transcript.forms.found import Found, listed, model_or
from noghost.client.transcript.transcript import Transcript

UNKNOWN = "unknown"


def read(one: dict[str, Any]) -> Found:
    """Without the request's further fields, which belong to no turn."""
    messages = listed(one.get("messages"), "messages")
    transcript = Transcript.from_messages(messages, model=model_or(one.get("model"), UNKNOWN))
    found = Found(transcript)
    found.left_out.update(f"field {name}" for name in one if name not in ("messages", "model"))
    return found


def write(transcript: Transcript) -> str:
    """The messages, and the model of the title."""
    return (
        json.dumps({"model": transcript.model, "messages": transcript.messages()}, ensure_ascii=False, indent=1) + "\n"
    )
