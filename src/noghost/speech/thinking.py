"""Have a mind answer: a chat completion's request in, its events out. In an instance (the mind is api/mind.py)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from noghost.errors import RequestError
from noghost.speech.ends import Brought, InstanceEnd, end_of
from noghost.speech.frames import COUNT, STATUS, Kind, Memory
from noghost.speech.hearing import pieces

DATA = b"data: "
LAST = b"[DONE]"


class Mind:
    """What one process thinks."""

    def __init__(self, end: InstanceEnd) -> None:
        self._end = end
        self.forgotten = 0  # messages that it did not look at; known with the first chunk

    async def ask(self, request: dict[str, Any], memory: Memory | None = None) -> None:
        """All of a chat completion's request, which must be one that is streamed. `memory`: what of a conversation that
        is too long is kept; None: that is an error."""
        if memory is not None:
            await self._end.give(Kind.REMEMBER, memory.pack())
        for piece in pieces(memoryview(json.dumps(request).encode())):
            await self._end.give(Kind.ASK, piece)
        await self._end.give(Kind.END)

    async def chunks(self) -> AsyncIterator[dict[str, Any]]:
        """The chunks of its answer, as they come. Raises RequestError for an error that is answered instead, or in the
        midst of them."""
        status, waiting = 0, bytearray()
        while True:
            kind, data = await self._end.take()
            if kind is Kind.FORGOTTEN:
                (self.forgotten,) = COUNT.unpack(data)
            elif kind is Kind.STATUS:
                (status,) = STATUS.unpack(data)
            elif kind is Kind.PIECE:
                waiting += data
            if status == 200:
                *events, rest = bytes(waiting).split(b"\n\n")
                waiting = bytearray(rest)
                for event in events:
                    if event.startswith(DATA) and event != DATA + LAST:
                        yield checked(json.loads(event.removeprefix(DATA)), 500)
            if kind is Kind.DONE:
                if status != 200:
                    checked(json.loads(waiting), status)
                return


def checked(found: dict[str, Any], status: int) -> dict[str, Any]:
    """The same, unless it is an error."""
    error = found.get("error")
    if error is None:
        return found
    raise RequestError(error["message"], status=status, code=error["code"], param=error["param"])


@asynccontextmanager
async def thinking(brought: Brought, hush: Callable[[], None]) -> AsyncIterator[Mind]:
    """A mind that was brought to this instance; it is ended when this is left, unless it has answered."""
    with end_of(brought, hush) as end:
        yield Mind(end)
