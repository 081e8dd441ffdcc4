"""A transcript is answered by the model. In an instance. Each stands alone: what was said before, nobody here knows."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Message

from noghost.api.errors import validated
from noghost.api.schemas import ChatRequest
from noghost.api.turn import begin_turn
from noghost.api.wyoming.caller import Caller
from noghost.api.wyoming.events import Event
from noghost.api.wyoming.schema import Transcript
from noghost.engine.families.events import Content
from noghost.engine.generate import Done

MANNER = "You are a voice assistant. Answer in one or two short sentences, as one speaks, without lists or markup."
MOST_TOKENS = 256  # of an answer: over a minute of speech


async def handle(caller: Caller, event: Event) -> None:
    """Stream the answer, then tell it whole, for clients that know no other way."""
    text = validated(Transcript, event.data).text
    messages = [{"role": "system", "content": MANNER}, {"role": "user", "content": text}]
    body = validated(ChatRequest, {"messages": messages, "max_tokens": MOST_TOKENS, "temperature": 0})
    turn = await begin_turn(body, request_of(caller, text))
    answer: list[str] = []
    async for item in turn.items():
        if isinstance(item, Done):
            break
        for piece in (said.text for said in item.events if isinstance(said, Content)):
            if not answer:
                await caller.tell("handled-start", {})
            answer.append(piece)
            await caller.tell("handled-chunk", {"text": piece})
    if not answer:
        await caller.tell("not-handled", {})
        return
    await caller.tell("handled", {"text": "".join(answer)})
    await caller.tell("handled-stop", {})


def request_of(caller: Caller, text: str) -> Request:
    """The request that this would be over HTTP, without headers, for what is common to both."""
    app = Starlette()
    app.state.here = caller.now
    messages: list[Message] = [{"type": "http.request", "body": text.encode(), "more_body": False}]

    async def receive() -> Message:
        return messages.pop()

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": [], "app": app}
    return Request(scope, receive)
