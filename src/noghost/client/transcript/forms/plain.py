"""Plain text: `User: …`, a blank line, `Assistant: …`. For reading; not everything comes back.

A line that begins with a speaker's name and a colon begins a turn. A text's own such line is written with a space
before it, which stays when it is read again; and a text's blank lines at its beginning and end are lost.
"""

from __future__ import annotations

import re

from noghost.client.transcript.forms.found import Found, now
from noghost.client.transcript.forms.openai import UNKNOWN
from noghost.client.transcript.transcript import Transcript
from noghost.client.transcript.turn import Turn
from noghost.errors import TranscriptError

SPEAKERS = {
    "user": "user",
    "human": "user",
    "you": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "chatgpt": "assistant",
    "claude": "assistant",
    "system": "system",
    "tool": "tool",
}
_SPEAKER = re.compile(rf"^({'|'.join(SPEAKERS)}):", re.IGNORECASE | re.MULTILINE)

INDENTED = r" \g<0>"


def read(text: str) -> Found:
    """Raises TranscriptError if the text does not begin with a speaker: it would be lost."""
    before, *rest = _SPEAKER.split(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    if before.strip() or not rest:
        raise TranscriptError("cannot read the text as a conversation: nobody speaks first", "begin with `User: `")
    turns = [Turn(SPEAKERS[name.lower()], said.strip()) for name, said in zip(rest[::2], rest[1::2], strict=True)]
    return Found(Transcript("Conversation", UNKNOWN, now(), turns))


def write(transcript: Transcript) -> str:
    """Roles and texts alone."""
    return "\n".join(f"{turn.role.title()}: {_SPEAKER.sub(INDENTED, turn.text)}\n" for turn in transcript.turns)
