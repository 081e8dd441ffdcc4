"""Pass one request to its upstream and the answer back, in a frame of ours. In an instance.

Covered: the record is opened before the connection is, and on the disk before the answer's last piece leaves. An
answer that broke off ends with the API's error event and never with [DONE].
Not covered: what becomes of the request at the provider's; token counts that it does not tell.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi.responses import Response, StreamingResponse

from noghost.api import pad
from noghost.api.answer import DONE, EVENTS, pads_for
from noghost.api.compute import Compute
from noghost.api.errors import told
from noghost.api.here import Here
from noghost.api.parts import JSON
from noghost.api.upstream.exchange import Reply, post
from noghost.api.upstream.faults import refused
from noghost.api.upstream.link import Link
from noghost.api.upstream.reading import chunks_of, content_of, whole_of
from noghost.api.upstream.remote import Remote
from noghost.api.upstream.request import RemoteRequest


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs between chat and text completions."""

    endpoint: str
    kind: type[RemoteRequest]
    prefix: str  # of the id
    whole: str  # `object` of a whole answer
    piece: str  # `object` of a streamed chunk


class Passing:
    """One request under way."""

    def __init__(self, here: Here, remote: Remote, asked: RemoteRequest, shape: Shape) -> None:
        self._here = here
        self._remote = remote
        self._asked = asked
        self._shape = shape
        self._whole = threading.Event()  # nothing is left but to see to the record
        self._pads = pads_for(here, asked.stream_options)

    async def respond(self, body: bytes, commitment: bytes | None) -> Response:
        """Record, connect, ask; an answer once there is one. Raises LedgerError and UpstreamError."""
        self._steps = Compute(lambda: self._recorded(commitment))
        connection = await self._steps.next()
        assert connection is not None
        link = Link(connection, self._remote)
        await link.shake()
        reply = await post(link, self._remote, self._shape.endpoint, body)
        if reply.status != 200:
            raise refused(reply.status, reply.wait)
        if self._asked.stream:
            return StreamingResponse(self._events(reply), media_type=EVENTS)
        answer = self._framed(await whole_of(reply), self._shape.whole)
        await self._settle()
        self._here.tally.sent(content_of(answer))
        return Response(pad.whole(answer | {"noghost": self._facts()}, pads=self._pads), media_type=JSON)

    def _recorded(self, commitment: bytes | None) -> Iterator[socket.socket | None]:
        """In the thread that may wait: the record, the connection; once all is there, the record on the disk."""
        here = self._here
        here.open(len(here.models) + here.remotes.index(self._remote), commitment)
        yield here.recorder.connect()
        self._whole.wait()
        here.recorder.sync()
        yield None

    async def _settle(self) -> None:
        self._whole.set()
        await self._steps.next()

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
            await self._settle()
        except Exception as error:  # noqa: BLE001  the status is out already: the error is the last event
            self._here.tally.status, body = told(error)
            yield self._event(body)
            return
        for event in with_facts(last or [self._framed({"choices": []}, self._shape.piece)], self._facts()):
            yield self._event(event)
        yield pad.commented(DONE) if self._pads else DONE

    def _event(self, data: dict[str, Any]) -> bytes:
        self._here.tally.sent(content_of(data))
        return pad.event(data, pads=self._pads)

    def _framed(self, answer: dict[str, Any], kind: str) -> dict[str, Any]:
        """The provider's object under our id and the model's name here; its filling is not ours."""
        self._here.timeline.reach("prefill")
        self._count(answer.get("usage"))
        own = {"id": self._shape.prefix + self._here.hex, "object": kind, "created": int(time.time())}
        rest = {name: value for name, value in answer.items() if name not in (*own, "model", "obfuscation", "noghost")}
        return {**own, "model": self._remote.upstream.name, **rest}

    def _count(self, usage: Any) -> None:
        """Token counts as the provider tells them, for the record's powers of two."""
        tally = self._here.tally
        if isinstance(usage, dict):
            tally.prompt_tokens = count_of(usage.get("prompt_tokens"))
            tally.answer_tokens = count_of(usage.get("completion_tokens"))

    def _facts(self) -> dict[str, Any]:
        """For the caller alone."""
        line = self._here.timeline
        return {
            "instance": self._here.hex,
            "remote": self._remote.upstream.host,
            "birth_ms": line.at_ms("confine"),
            "first_token_ms": line.at_ms("prefill"),
            **({"path_ms": line.parts_ms()} if self._asked.noghost.path else {}),
        }


def ends(chunk: dict[str, Any]) -> bool:
    """Whether every choice in it says why it ends."""
    choices = chunk["choices"]
    return bool(choices) and all(isinstance(one, dict) and one.get("finish_reason") for one in choices)


def with_facts(last: list[dict[str, Any]], facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The facts stand in the last chunk that has a choice, as for a model of this service."""
    at = max((index for index, event in enumerate(last) if event["choices"]), default=0)
    return [event | {"noghost": facts} if index == at else event for index, event in enumerate(last)]


def count_of(value: Any) -> int:
    """A count that a record can hold."""
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0
