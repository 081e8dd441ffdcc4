"""POST /v1/responses, OpenAI's Responses API without its memory. In an instance."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from noghost.api import pad
from noghost.api.answer import EVENTS, STREAMED, as_json, chained, pads_for
from noghost.api.capsule import GIVEN
from noghost.api.commitment import PARAMETER
from noghost.api.conversation import Conversation, begin
from noghost.api.endpoints import Endpoints
from noghost.api.errors import told
from noghost.api.here import Here, here
from noghost.api.response_events import Account, fixed_of, usage_of
from noghost.api.response_input import as_asked, chat_of
from noghost.api.response_output import Data
from noghost.api.response_schema import INSTEAD, ResponsesRequest
from noghost.api.turn import Told
from noghost.engine.generate import Done
from noghost.errors import RequestError

endpoints = Endpoints()


@endpoints.post("/v1/responses", summary="Answer items", responses=STREAMED, openapi_extra=PARAMETER)
async def responses(body: ResponsesRequest, request: Request) -> Response:
    """The chat request that asks for the same, and its answer as items."""
    if GIVEN in request.scope:
        raise RequestError(INSTEAD["noghost.capsule"], code="unsupported_parameter", param="noghost.capsule")
    try:
        return await respond(body, request)
    except RequestError as error:
        error.param = as_asked(error.param)
        raise


async def respond(body: ResponsesRequest, request: Request) -> Response:
    """Answer when there is something to answer with, so that an error still has its status."""
    now, chat = here(request), chat_of(body)
    turn = await begin(chat, request)
    items = turn.items()
    first = await anext(items)
    fixed = fixed_of(body, chat, turn.model)
    if now.remote_called(chat.model):  # what the caller left out is the provider's own default, which nobody tells
        fixed |= {"temperature": body.temperature, "top_p": body.top_p}
    writer = Writer(now, turn, fixed)
    pads = pads_for(now, body.stream_options)
    if body.stream:
        return StreamingResponse(writer.stream(chained(first, items), pads=pads), media_type=EVENTS)
    return as_json(await writer.whole(chained(first, items)), pads)


class Writer:
    """One response, whole or as server-sent events."""

    def __init__(self, here: Here, turn: Conversation, fixed: Data) -> None:
        self._here = here
        self._turn = turn
        self._account = Account(here.hex, fixed, lambda: int(time.time()))

    async def whole(self, items: AsyncIterator[Told | Done]) -> Data:
        """The response, after its events, which nobody is told."""
        async for _ in self._events(items):
            pass
        return self._account.response

    async def stream(self, items: AsyncIterator[Told | Done], *, pads: bool) -> AsyncIterator[bytes]:
        """Every event; one that says so where the answer breaks off. The official stream has no [DONE]."""
        try:
            async for event in self._events(items):
                yield pad.named(event, pads=pads)
                self._here.timeline.reach("send")
        except Exception as error:  # noqa: BLE001  the status is out already: the error is the last event
            self._here.tally.status, body = told(error)
            for event in self._account.fail(body["error"]["message"], is_ours=self._here.tally.status >= 500):
                yield pad.named(event, pads=pads)

    async def _events(self, items: AsyncIterator[Told | Done]) -> AsyncIterator[Data]:
        for event in self._account.begin():
            yield event
        async for item in items:
            for event in self._end(item) if isinstance(item, Done) else self._take(item):
                yield event

    def _take(self, item: Told) -> Iterator[Data]:
        return self._account.take(item.events, self._turn.logprobs(item))

    def _end(self, end: Done) -> Iterator[Data]:
        counts = usage_of(end, self._turn.cached_tokens)
        return self._account.end(counts, self._turn.facts(end), is_cut=end.finish_reason == "length")
