"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's API. In an instance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from noghost.api import pad
from noghost.api.answer import EVENTS, STREAMED, as_json, chained
from noghost.api.asked import asked_of
from noghost.api.commitment import PARAMETER
from noghost.api.conversation import Conversation, begin
from noghost.api.endpoints import Endpoints
from noghost.api.errors import MESSAGES, told
from noghost.api.here import Here, here
from noghost.api.loading import loaded_for, settle
from noghost.api.message_answer import Message
from noghost.api.message_request import chat_request
from noghost.api.message_schema import CountRequest, MessagesRequest
from noghost.api.turn import Told
from noghost.engine.generate import Done

endpoints = Endpoints()


@endpoints.post(
    MESSAGES,
    summary="Answer a conversation, as Anthropic's API does",
    responses=STREAMED,
    openapi_extra=PARAMETER,
)
async def messages(body: MessagesRequest, request: Request) -> Response:
    """The turn of the chat request that this one stands for, told in Anthropic's form."""
    now = here(request)
    turn = await begin(chat_request(body), request)
    items = turn.items()
    first = await anext(items)  # an error before it still has its status
    writer = Writer(now, turn, body)
    if body.stream:
        return StreamingResponse(writer.events(chained(first, items)), media_type=EVENTS)
    return as_json(await writer.whole(chained(first, items)), now.pads)


class Writer:
    """One answer, whole or streamed."""

    def __init__(self, now: Here, turn: Conversation, body: MessagesRequest) -> None:
        self._here = now
        self._turn = turn
        self._max_tokens = body.max_tokens
        shows_thinking = body.thinking is None or body.thinking.display != "omitted"
        self._message = Message(now.hex, turn.model, turn.prompt_tokens, shows_thinking=shows_thinking)

    async def whole(self, items: AsyncIterator[Told | Done]) -> dict[str, Any]:
        """The message."""
        async for item in items:
            self._told(item)
        return self._message.whole

    async def events(self, items: AsyncIterator[Told | Done]) -> AsyncIterator[bytes]:
        """The message as server-sent events."""
        pads = self._here.pads
        try:
            yield pad.named(self._message.start(), pads=pads)
            async for item in items:
                for event in self._told(item):
                    yield pad.named(event, pads=pads)
                    self._here.timeline.reach("send")
        except Exception as error:  # noqa: BLE001  the status is out already: the error is the last event
            self._here.tally.status, body = told(error, MESSAGES)
            yield pad.named(body, pads=pads)

    def _told(self, item: Told | Done) -> list[dict[str, Any]]:
        if isinstance(item, Done):
            return self._message.end(item, self._max_tokens, self._turn.facts(item))
        return self._message.feed(item.events)


@endpoints.post(f"{MESSAGES}/count_tokens", summary="How many tokens a message is made from")
async def count_tokens(body: CountRequest, request: Request) -> Response:
    """Render and count; nothing is computed."""
    now = here(request)
    loaded = await loaded_for(request, now.find_model(body.model))
    prompt = asked_of(loaded, chat_request(body)).prompt
    count = len(loaded.model.tokenize_prompt(prompt))
    settle(now)
    return as_json({"input_tokens": count}, now.pads)
