"""An answer as OpenAI's API sends it: whole, or as server-sent events. In an instance."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from noghost.api import pad
from noghost.api.capsule import length_of, sealed, wish_of
from noghost.api.commitment import commitment_of
from noghost.api.errors import told
from noghost.api.here import Here
from noghost.api.logprobs import Likely, Pieces
from noghost.api.parts import JSON, Mixed
from noghost.api.schemas import Generation, StreamOptions
from noghost.api.work import Job, Work, usage
from noghost.engine.generate import Chunk, Done, together
from noghost.engine.logprobs import TokenLogprob
from noghost.engine.sampler import SamplingParams
from noghost.instance.identity import fresh_seed

DONE = b"data: [DONE]\n\n"
# Of a 200 in the document: an answer is JSON, or server-sent events where `stream` is true.
EVENTS = "text/event-stream"
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {}}, "multipart/mixed": {"schema": {}}}}
}
Choice = Callable[[str | None, str | None, Any], dict[str, Any]]  # (text, finish_reason, logprobs) -> one choice


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs between chat and text completions."""

    prefix: str  # of the id
    whole: str  # `object` of a whole answer
    piece: str  # `object` of a streamed chunk
    choice: Choice
    delta: Choice
    opening: dict[str, Any] | None  # first streamed choice, before any text
    logprobs: Callable[[list[Likely]], dict[str, Any]]


def work_for(
    body: Generation, model: int, tokens: list[int], max_tokens: int | None, param: str, request: Request
) -> Work:
    """The work that a checked request asks for, its own headers included."""
    commitment, wish = commitment_of(request), wish_of(request.scope, body.noghost.capsule)
    bias = tuple((int(token), value) for token, value in (body.logit_bias or {}).items())
    params = SamplingParams(
        temperature=body.temperature,
        top_k=body.top_k,
        top_p=body.top_p,
        min_p=body.min_p,
        repeat_penalty=body.repeat_penalty,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        seed=fresh_seed() if body.seed is None else body.seed % (2**32 - 1),
        logit_bias=bias,
        ignore_eos=body.ignore_eos,
    )
    own = body.noghost
    marks = own.threads, own.record_seed, param, wish, own.path, body.n or 1, body.held_to, body.most_logprobs
    return Work(model, tokens, params, max_tokens, body.stops, commitment, *marks, echo=body.echoed)


async def respond(here: Here, body: Generation, work: Work, shape: Shape) -> Response:
    """Start the work; answer when there is something to answer with, so that an error still has its status."""
    job = Job(here, work)
    items = job.items()
    first = await anext(items)
    options = body.stream_options or StreamOptions()
    pads = here.pads if options.include_obfuscation is None else options.include_obfuscation
    model = here.models[work.model]
    writer = Writer(here, job, shape, model.name, pads)
    if work.top_logprobs is not None:
        writer.pieces = Pieces(model.loaded.model.piece)
    if body.stream:
        events = writer.events(first, items, options.include_usage)
        return StreamingResponse(events, media_type=EVENTS) if not work.wish.wanted else writer.mixed(EVENTS, events)
    whole = await writer.whole(first, items)
    return writer.mixed(JSON, once(pad.whole(whole, pads=pads))) if work.wish.wanted else as_json(whole, pads)


def as_json(answer: dict[str, Any], pads: bool) -> Response:
    """A whole answer, filled up where that is wanted."""
    return Response(pad.whole(answer, pads=pads), media_type=JSON)


async def once(data: bytes) -> AsyncIterator[bytes]:
    """One piece."""
    yield data


async def chained(first: Chunk | Done, items: AsyncIterator[Chunk | Done]) -> AsyncIterator[Chunk | Done]:
    """The first and then the others."""
    yield first
    async for item in items:
        yield item


class Writer:
    """One answer in one shape."""

    def __init__(self, here: Here, job: Job, shape: Shape, model: str, pads: bool = False) -> None:
        self._here = here
        self._job = job
        self._shape = shape
        self._model = model
        self._pads = pads
        self._broken = False
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

    async def whole(self, first: Chunk | Done, items: AsyncIterator[Chunk | Done]) -> dict[str, Any]:
        """The whole answer as one object."""
        choices, ends = [], list[Done]()
        echo, before = self._job.work.echo or "", self._job.prompt_logprobs
        text, seen = [echo], list(before)
        async for item in chained(first, items):
            if not isinstance(item, Done):
                text.append(item.text)
                seen += item.logprobs
                continue
            choice = self._shape.choice("".join(text), item.finish_reason, self._logprobs(seen))
            choices.append(choice | {"index": item.choice})
            ends.append(item)
            text, seen = [echo], list(before)
            self._restart()
        end = together(ends)
        return self._frame(self._shape.whole, choices, usage=usage(end), noghost=self._job.facts(end))

    async def events(
        self, first: Chunk | Done, items: AsyncIterator[Chunk | Done], include_usage: bool
    ) -> AsyncIterator[bytes]:
        """The answer as server-sent events, a chunk for each piece of text."""
        ends: list[Done] = []
        choice = -1
        try:
            async for item in chained(first, items):
                if item.choice != choice:
                    choice = item.choice
                    if self._shape.opening is not None:
                        yield self._event([self._shape.opening | {"index": choice}])
                    if self._job.work.echo is not None:
                        yield self._piece(self._job.work.echo, self._job.prompt_logprobs, choice)
                if isinstance(item, Done):
                    ends.append(item)
                    self._restart()
                    last = self._shape.delta(None, item.finish_reason, None) | {"index": choice}
                    facts = {"noghost": self._job.facts(together(ends))} if self._job.work.ends_with(item) else {}
                    yield self._event([last], **facts)
                else:
                    yield self._piece(item.text, item.logprobs, choice)
                    self._here.timeline.reach("send")
        except Exception as error:  # noqa: BLE001  the status is out already: the error is the last event
            self._broken = True
            self._here.tally.status, body = told(error)
            yield pad.event(body, pads=self._pads)
            return
        if include_usage:
            yield self._event([], usage=usage(together(ends)))
        yield pad.commented(DONE) if self._pads else DONE

    def _restart(self) -> None:
        if self.pieces is not None:
            self.pieces.restart()

    def _piece(self, text: str, seen: Iterable[TokenLogprob], choice: int) -> bytes:
        return self._event([self._shape.delta(text, None, self._logprobs(seen)) | {"index": choice}])

    def _logprobs(self, seen: Iterable[TokenLogprob]) -> dict[str, Any] | None:
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
