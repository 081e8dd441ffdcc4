"""Who is at the other end of a Wyoming connection: hear its events, tell it ours. In an instance.

Covered: one that has left, or that says nothing for too long in the middle of a request; what it does not read is not
made: `tell` waits for it, and the kernel ends the connection in the end (equipment.py).
Not covered: what it says; the connection is not encrypted, since the protocol has no way for that.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, BaseTransport, StreamReader, StreamWriter
from typing import Any, cast

from noghost.api.here import Here
from noghost.api.wyoming.events import Event, read, render
from noghost.errors import RequestError


class End(asyncio.StreamReaderProtocol):
    """Our end of the connection, which tells when the caller has left."""

    def __init__(self, loop: AbstractEventLoop, most_line_bytes: int) -> None:
        self.reader = StreamReader(most_line_bytes, loop)
        super().__init__(self.reader, loop=loop)
        self.loop = loop
        self.transport: asyncio.Transport
        self.left: asyncio.Future[None] = loop.create_future()  # it sends nothing any more, or all is over
        self.lost: asyncio.Future[Exception | None] = loop.create_future()  # all is over

    def connection_made(self, transport: BaseTransport) -> None:
        """The connection is open."""
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, transport)

    def eof_received(self) -> bool:
        """The caller sends no more, and is taken for gone as in HTTP (connection.py)."""
        super().eof_received()
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whom ever."""
        super().connection_lost(exc)
        self._leave()
        self.lost.set_result(exc)

    def _leave(self) -> None:
        if not self.left.done():
            self.left.set_result(None)


class Caller:
    """One caller."""

    def __init__(self, end: End, now: Here) -> None:
        self.end = end
        self.now = now
        self._writer = StreamWriter(end.transport, end, end.reader, end.loop)

    async def hear(self) -> Event | None:
        """The next event; None once the caller has left. Raises RequestError for what is none, or does not come."""
        wait_s = self.now.limits.request_s
        try:
            async with asyncio.timeout(wait_s):
                return await read(self.end.reader, self.now.limits)
        except TimeoutError:
            late = f"the next event did not come within {wait_s:g} s"
            raise RequestError(late, status=408, code="request_timeout") from None

    async def more(self) -> Event:
        """The next event of a request that is under way. Raises as `hear`, and ConnectionError once the caller left."""
        event = await self.hear()
        if event is None:
            raise ConnectionAbortedError
        return event

    async def tell(self, kind: str, data: dict[str, Any], payload: bytes = b"") -> None:
        """Send an event, and wait while too much waits for the caller. All but sound say whose answer it is."""
        whose = {} if payload else {"noghost": {"instance": self.now.hex}}
        self._writer.write(render(kind, data | whose, payload))
        await self._writer.drain()
