"""Pass one request to its upstream and the answer back, in a frame of ours. In an instance.

An answer that broke off ends with the API's error event and never with [DONE].
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response, StreamingResponse

from noghost.api import pad
from noghost.api.answer import DONE, EVENTS, as_json, pads_for
from noghost.api.errors import told
from noghost.api.upstream.call import Call
from noghost.api.upstream.exchange import Reply
from noghost.api.upstream.reading import chunks_of, content_of, whole_of
from noghost.api.upstream.request import RemoteRequest


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs between chat and text completions."""

    endpoint: str
    prefix: str  # of the id
    whole: str  # `object` of a whole answer
    piece: str  # `object` of a streamed chunk


CHAT = Shape("/chat/completions", "chatcmpl-", "chat.completion", "chat.completion.chunk")
TEXT = Shape("/completions", "cmpl-", "text_completion", "text_completion")
VECTORS = "/embeddings"


async def embed(call: Call, body: bytes, commitment: bytes | None) -> Response:
    """The vectors of somebody else's model. Raises LedgerError and UpstreamError."""
    answer = await whole_of(await call.ask(VECTORS, body, commitment), "data")
    call.count(answer.get("usage"))
    await call.settle()
    own = {"object": "list", "model": call.name, "noghost": call.facts(path=False)}
    return as_json({name: value for name, value in answer.items() if name != "id"} | own, call.here.pads)


class Passing:
    """One request for a completion."""

    def __init__(self, call: Call, asked: RemoteRequest, shape: Shape) -> None:
        self._call = call
        self._asked = asked
        self._shape = shape
        self._pads = pads_for(call.here, asked.stream_options)

    async def respond(self, body: bytes, commitment: bytes | None) -> Response:
        """An answer once there is one. Raises LedgerError and UpstreamError."""
        reply = await self._call.ask(self._shape.endpoint, body, commitment)
        if self._asked.stream:
            return StreamingResponse(self._events(reply), media_type=EVENTS)
        answer = self._framed(await whole_of(reply, "choices"), self._shape.whole)
        await self._call.settle()
        self._call.here.tally.sent(content_of(answer))
        return as_json(answer | {"noghost": self._facts()}, self._pads)

    async def _events(self, reply: Reply) -> AsyncIterator[bytes]:
        """Each chunk as it comes; those that end the answer together with what there is to say of it."""
        last: list[dict[str, Any]] = []
        try:
            async for chunk in chunks_of(reply):
                framed = self._framed(chunk, self._shape.piece)
                if ends(chunk) or (last and not chunk["choices"]):
                    last.append(framed)
                else:
                    yield self._event(framed)
            await self._call.settle()
        except Exception as error:  # noqa: BLE001  the status is out already: the error is the last event
            self._call.here.tally.status, body = told(error)
            yield self._event(body)
            return
        for event in with_facts(last or [self._framed({"choices": []}, self._shape.piece)], self._facts()):
            yield self._event(event)
        yield pad.commented(DONE) if self._pads else DONE

    def _event(self, data: dict[str, Any]) -> bytes:
        self._call.here.tally.sent(content_of(data))
        return pad.event(data, pads=self._pads)

    def _framed(self, answer: dict[str, Any], kind: str) -> dict[str, Any]:
        """The provider's object under our id and the model's name here; its filling is not ours."""
        here = self._call.here
        here.timeline.reach("prefill")
        self._call.count(answer.get("usage"))
        own = {"id": self._shape.prefix + here.hex, "object": kind, "created": int(time.time())}
        rest = {name: value for name, value in answer.items() if name not in (*own, "model", "obfuscation", "noghost")}
        return {**own, "model": self._call.name, **rest}

    def _facts(self) -> dict[str, Any]:
        return self._call.facts(path=self._asked.noghost.path)


def ends(chunk: dict[str, Any]) -> bool:
    """Whether every choice in it says why it ends."""
    choices = chunk["choices"]
    return bool(choices) and all(isinstance(one, dict) and one.get("finish_reason") for one in choices)


def with_facts(last: list[dict[str, Any]], facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The facts stand in the last chunk that has a choice, as for a model of this service."""
    at = max((index for index, event in enumerate(last) if event["choices"]), default=0)
    return [event | {"noghost": facts} if index == at else event for index, event in enumerate(last)]
