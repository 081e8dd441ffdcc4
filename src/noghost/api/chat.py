"""POST /v1/chat/completions. In an instance."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from noghost.api.answer import MIXED, Shape, respond
from noghost.api.commitment import PARAMETERS
from noghost.api.endpoints import Endpoints
from noghost.api.here import here
from noghost.api.logprobs import of_chat
from noghost.api.schemas import ChatRequest
from noghost.api.turn import begin_turn, fresh_name
from noghost.engine.families.events import CallArguments, CallBegun, Content, Event, Reasoning

endpoints = Endpoints()


def choice(events: list[Event], reason: str | None, logprobs: Any) -> dict[str, Any]:
    """The choice of a whole answer."""
    calls, content = calls_of(events), text_of(events, Content)
    message: dict[str, Any] = {"role": "assistant", "content": content or (None if calls else ""), "refusal": None}
    if reasoning := text_of(events, Reasoning):
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = calls
    return {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": reason}


def text_of(events: list[Event], kind: type[Content] | type[Reasoning]) -> str:
    """All text of one kind."""
    return "".join(event.text for event in events if isinstance(event, kind))


def calls_of(events: list[Event]) -> list[dict[str, Any]]:
    """The calls of a whole answer."""
    calls = [begun(event.name) for event in events if isinstance(event, CallBegun)]
    for event in events:
        if isinstance(event, CallArguments):
            calls[event.index]["function"]["arguments"] += event.text
    return calls


def begun(name: str) -> dict[str, Any]:
    """A call of this tool, without arguments yet."""
    return {"id": f"call_{fresh_name()}", "type": "function", "function": {"name": name, "arguments": ""}}


def delta(events: list[Event], reason: str | None, logprobs: Any) -> dict[str, Any]:
    """The choice of a streamed chunk."""
    said = delta_of(events[0]) if events else {}
    return {"index": 0, "delta": said, "logprobs": logprobs, "finish_reason": reason}


def delta_of(event: Event) -> dict[str, Any]:
    """What one event adds to the message."""
    match event:
        case Content(text):
            return {"content": text}
        case Reasoning(text):
            return {"reasoning_content": text}
        case CallBegun(index, name):
            return {"tool_calls": [{"index": index, **begun(name)}]}
        case CallArguments(index, text):
            return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}
    return {}


OPENING = {
    "index": 0,
    "delta": {"role": "assistant", "content": "", "refusal": None},
    "logprobs": None,
    "finish_reason": None,
}
CHAT = Shape("chatcmpl-", "chat.completion", "chat.completion.chunk", choice, delta, OPENING, of_chat)


@endpoints.post(
    "/v1/chat/completions",
    summary="Answer a conversation",
    responses=MIXED,
    openapi_extra=PARAMETERS,
)
async def chat_completions(body: ChatRequest, request: Request) -> Response:
    """Render the model's own chat template, answer, and tell reasoning, content and calls apart."""
    return await respond(here(request), body, await begin_turn(body, request), CHAT)
