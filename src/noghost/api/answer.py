"""An answer as OpenAI's API sends it: whole, or as server-sent events. In an instance."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response, StreamingResponse

from noghost.api import pad
from noghost.api.capsule import length_of, sealed
from noghost.api.errors import told
from noghost.api.here import Here
from noghost.api.logprobs import Likely, Pieces
from noghost.api.parts import JSON, Mixed
from noghost.api.schemas import Generation, StreamOptions
from noghost.api.turn import Told, Turn
from noghost.api.work import usage
from noghost.engine.families.events import CallEnded, Content, Event
from noghost.engine.generate import Done, together
from noghost.engine.logprobs import TokenLogprob

DONE = b"data: [DONE]\n\n"
EVENTS = "text/event-stream"
# Of a 200 in the document: an answer is JSON, or server-sent events where `stream` is true; or either with a capsule.
STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {EVENTS: {"schema": {}}}}}
MIXED: dict[int | str, dict[str, Any]] = {200: {"content": {EVENTS: {"schema": {}}, "multipart/mixed": {"schema": {}}}}}
Choice = Callable[[list[Event], str | None, Any], dict[str, Any]]  # (events, finish_reason, logprobs) -> one choice


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs between chat and text completions."""

    prefix: str  # of the id
    whole: str  # `object` of a whole answer
    piece: str  # `object` of a streamed chunk
    choice: Choice
    delta: Choice  # of one event; at the end, of none
    opening: dict[str, Any] | None  # first streamed choice, before any text
    logprobs: Callable[[list[Likely]], dict[str, Any]]


async def respond(here: Here, body: Generation, turn: Turn, shape: Shape) -> Response:
    """Start the work; answer when there is something to answer with, so that an error still has its status."""
    items = turn.items()
    first = await anext(items)
    options = body.stream_options or StreamOptions()
    pads = pads_for(here, options)
    work = turn.job.work
    writer = Writer(here, turn, shape, pads)
    if work.top_logprobs is not None:
        writer.pieces = Pieces(turn.job.model.piece)
    if body.stream:
        events = writer.events(first, items, options.include_usage)
        return StreamingResponse(events, media_type=EVENTS) if not work.wish.wanted else writer.mixed(EVENTS, events)
    whole = await writer.whole(first, items)
    return writer.mixed(JSON, once(pad.whole(whole, pads=pads))) if work.wish.wanted else as_json(whole, pads)


def pads_for(here: Here, options: StreamOptions | None) -> bool:
    """Whether this answer is filled up: as its caller says, or else as the service does."""
    wish = options.include_obfuscation if options else None
    return here.pads if wish is None else wish


def as_json(answer: dict[str, Any], pads: bool) -> Response:
    """A whole answer, filled up where that is wanted."""
    return Response(pad.whole(answer, pads=pads), media_type=JSON)


async def once(data: bytes) -> AsyncIterator[bytes]:
    """One piece."""
    yield data


async def chained(first: Told | Done, items: AsyncIterator[Told | Done]) -> AsyncIterator[Told | Done]:
    """The first and then the others."""
    yield first
    async for item in items:
        yield item


class Writer:
    """One answer in one shape."""

    def __init__(self, here: Here, turn: Turn, shape: Shape, pads: bool = False) -> None:
        self._here = here
        self._job = turn.job
        self._shape = shape
        self._model = turn.model
        self._pads = pads
        self._broken = False
        self._seen: list[TokenLogprob] = []  # of tokens that no event has told of
        self.pieces: Pieces | None = None  # where the tokens' probabilities are asked for

    def mixed(self, media_type: str, first: AsyncIterator[bytes]) -> StreamingResponse:
        """The answer and then the capsule, in one body."""
        parts = Mixed()
        return StreamingResponse(parts.stream(media_type, first, self._capsule()), media_type=parts.media_type)

    async def _capsule(self) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """(length, pieces), once the answer is whole; nothing after one that broke off."""
        if not self._broken:
            work, kept = self._job.work, await self._job.kept()
            yield length_of(kept), sealed(work.wish, self._here.models[work.model], self._here.build, kept)

    async def whole(self, first: Told | Done, items: AsyncIterator[Told | Done]) -> dict[str, Any]:
        """The whole answer as one object."""
        choices, ends = [], list[Done]()
        events = list(self._echo())
        self._seen += self._job.prompt_logprobs
        async for item in chained(first, items):
            if not isinstance(item, Done):
                events += item.events
                self._seen += item.logprobs
                continue
            for event in events:
                self._send(event)
            choice = self._shape.choice(events, item.finish_reason, self._logprobs())
            choices.append(choice | {"index": item.choice})
            ends.append(item)
            events = list(self._echo())
            self._restart()
            self._seen += self._job.prompt_logprobs
        end = together(ends)
        return self._frame(self._shape.whole, choices, usage=usage(end), noghost=self._job.facts(end))

    async def events(
        self, first: Told | Done, items: AsyncIterator[Told | Done], include_usage: bool
    ) -> AsyncIterator[bytes]:
        """The answer as server-sent events, a chunk for each event."""
        ends: list[Done] = []
        choice = -1
        try:
            async for item in chained(first, items):
                if item.choice != choice:
                    choice = item.choice
                    if self._shape.opening is not None:
                        yield self._event([self._shape.opening | {"index": choice}])
                    for piece in self._deltas(list(self._echo()), self._job.prompt_logprobs, choice):
                        yield piece
                if isinstance(item, Done):
                    ends.append(item)
                    last = self._shape.delta([], item.finish_reason, self._logprobs() if self._seen else None)
                    self._restart()
                    facts = {"noghost": self._job.facts(together(ends))} if self._job.work.ends_with(item) else {}
                    yield self._event([last | {"index": choice}], **facts)
                else:
                    for piece in self._deltas(item.events, item.logprobs, choice):
                        yield piece
                        self._here.timeline.reach("send")
        except Exception as error:  # noqa: BLE001  the status is out already: the error is the last event
            self._broken = True
            self._here.tally.status, body = told(error)
            yield pad.event(body, pads=self._pads)
            return
        if include_usage:
            yield self._event([], usage=usage(together(ends)))
        yield pad.commented(DONE) if self._pads else DONE

    def _echo(self) -> Iterator[Event]:
        """What each choice begins with."""
        if self._job.work.echo is not None:
            yield Content(self._job.work.echo)

    def _deltas(self, events: list[Event], seen: tuple[TokenLogprob, ...], choice: int) -> Iterator[bytes]:
        """A chunk for each event; the first brings the probabilities. The end of a call is none of OpenAI's."""
        self._seen += seen
        for event in events:
            if not isinstance(event, CallEnded):
                self._send(event)
                yield self._event([self._shape.delta([event], None, self._logprobs()) | {"index": choice}])

    def _send(self, event: Event) -> None:
        """What a commitment to the answer is made over: its content, right before it goes."""
        if isinstance(event, Content):
            self._here.tally.sent(event.text)

    def _restart(self) -> None:
        self._seen.clear()
        if self.pieces is not None:
            self.pieces.restart()

    def _logprobs(self) -> dict[str, Any] | None:
        """Of the tokens that no event has told of yet."""
        seen, self._seen = self._seen, []
        return None if self.pieces is None else self._shape.logprobs(self.pieces.likely(seen))

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return pad.event(self._frame(self._shape.piece, choices, **more), pads=self._pads)

    def _frame(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {
            "id": self._shape.prefix + self._here.hex,
            "object": kind,
            "created": int(time.time()),
            "model": self._model,
            "choices": choices,
            **more,
        }
