"""What a provider answers, as JSON: whole, or piece by piece from server-sent events. In an instance.

Covered: a stream is whole only when its provider has said so with [DONE]; an error in its middle, or in the place of an
answer, is an error here too; a line and a whole answer have a bound.
Not covered: whether what it says is true.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from noghost.api.upstream.exchange import Reply
from noghost.api.upstream.faults import UpstreamError, broken, refused, unreadable

MOST_BYTES = 64 << 20  # of a whole answer, and of one event
DATA, DONE = b"data:", b"[DONE]"


async def whole_of(reply: Reply, holds: str) -> dict[str, Any]:
    """The answer as one object with a list that is called so; UpstreamError."""
    taken = bytearray()
    async for piece in reply.body:
        taken += piece
        if len(taken) > MOST_BYTES:
            raise unreadable()
    return answer_of(bytes(taken), holds)


async def chunks_of(reply: Reply) -> AsyncIterator[dict[str, Any]]:
    """Each event's object until [DONE]; UpstreamError where there is none."""
    async for line in lines_of(reply.body):
        if line.startswith(DATA):
            data = line.removeprefix(DATA).strip()
            if data == DONE:
                return
            yield answer_of(data, "choices")
    raise broken()


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Without their ends, which are LF or CR LF."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r")
        if len(rest) > MOST_BYTES:
            raise unreadable()


def answer_of(data: bytes, holds: str) -> dict[str, Any]:
    """One object with that list; UpstreamError for anything else, for what states an error by its code."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise unreadable() from None
    if isinstance(found, dict) and found.get("error"):
        raise stated(found["error"])
    if not isinstance(found, dict) or not isinstance(found.get(holds), list):
        raise unreadable()
    return found


def stated(error: Any) -> UpstreamError:
    """Of an error its code alone, where it is a status, as OpenRouter's are."""
    code = error.get("code") if isinstance(error, dict) else None
    return refused(code if isinstance(code, int) and 400 <= code < 600 else 500)


def content_of(answer: dict[str, Any]) -> str:
    """What the first choice says, of a whole answer or of a chunk; empty where it says nothing, or there is none."""
    for choice in answer.get("choices", ()):
        if isinstance(choice, dict) and choice.get("index", 0) == 0:
            said = choice.get("message") or choice.get("delta") or choice
            content = said.get("content", said.get("text")) if isinstance(said, dict) else None
            return content if isinstance(content, str) else ""
    return ""
