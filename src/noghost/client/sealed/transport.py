"""Transports of httpx whose every request is a sealed invocation, over another transport that opens the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import h11
import httpcore
import httpx

from noghost.client.sealed.exchange import Exchange
from noghost.client.sealed.trust import Trust

READ_BYTES = 64 * 1024


class SealedTransport(httpx.BaseTransport):
    """Raises SealedError for an exchange that does not hold, VerificationError for another key."""

    def __init__(self, trust: Trust, carrier: httpx.BaseTransport | None = None) -> None:
        """`carrier` opens connections; without it, httpx's own, which heeds no proxy of the environment."""
        self._trust = trust
        self._carrier = carrier or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request, one connection, one instance."""
        request.read()
        exchange = Exchange(self._trust, request)
        opened = self._carrier.handle_request(exchange.upgrade(request))
        answer = Answer(exchange, opened, request)
        try:
            exchange.check(opened)
            return answer.response()
        except BaseException:
            answer.close()
            raise

    def close(self) -> None:
        """The carrier's connections."""
        self._carrier.close()


class Answer(httpx.SyncByteStream):
    """The body of an answer, opened as it comes."""

    def __init__(self, exchange: Exchange, opened: httpx.Response, request: httpx.Request) -> None:
        self._exchange, self._opened = exchange, opened
        self._seconds = seconds_of(request)
        self._events = self._read()

    def _read(self) -> Iterator[h11.Event]:
        stream = self._opened.extensions["network_stream"]
        while not self._exchange.ended:
            with translated():
                data = stream.read(READ_BYTES, timeout=self._seconds)
            said = self._exchange.receive(data)
            if said:
                with translated():
                    stream.write(said, timeout=self._seconds)
            yield from self._exchange.events()

    def response(self) -> httpx.Response:
        """With its head, once that is here."""
        for event in self._events:
            if isinstance(event, h11.Response):
                return httpx.Response(event.status_code, headers=list(event.headers), stream=self)
        raise self._exchange.cut()

    def __iter__(self) -> Iterator[bytes]:
        for event in self._events:
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    def close(self) -> None:
        """The connection too: the instance ends."""
        self._opened.close()


class AsyncSealedTransport(httpx.AsyncBaseTransport):
    """The same for httpx.AsyncClient."""

    def __init__(self, trust: Trust, carrier: httpx.AsyncBaseTransport | None = None) -> None:
        self._trust = trust
        self._carrier = carrier or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request, one connection, one instance."""
        await request.aread()
        exchange = Exchange(self._trust, request)
        opened = await self._carrier.handle_async_request(exchange.upgrade(request))
        answer = AsyncAnswer(exchange, opened, request)
        try:
            exchange.check(opened)
            return await answer.response()
        except BaseException:
            await answer.aclose()
            raise

    async def aclose(self) -> None:
        """The carrier's connections."""
        await self._carrier.aclose()


class AsyncAnswer(httpx.AsyncByteStream):
    """The body of an answer, opened as it comes."""

    def __init__(self, exchange: Exchange, opened: httpx.Response, request: httpx.Request) -> None:
        self._exchange, self._opened = exchange, opened
        self._seconds = seconds_of(request)
        self._events = self._read()

    async def _read(self) -> AsyncIterator[h11.Event]:
        stream = self._opened.extensions["network_stream"]
        while not self._exchange.ended:
            with translated():
                data = await stream.read(READ_BYTES, timeout=self._seconds)
            said = self._exchange.receive(data)
            if said:
                with translated():
                    await stream.write(said, timeout=self._seconds)
            for event in self._exchange.events():
                yield event

    async def response(self) -> httpx.Response:
        """With its head, once that is here."""
        async for event in self._events:
            if isinstance(event, h11.Response):
                return httpx.Response(event.status_code, headers=list(event.headers), stream=self)
        raise self._exchange.cut()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def aclose(self) -> None:
        """The connection too: the instance ends."""
        await self._opened.aclose()


def seconds_of(request: httpx.Request) -> float | None:
    """How long to wait for what comes next."""
    timeout: dict[str, Any] = request.extensions.get("timeout", {})
    return timeout.get("read")


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the connection, as httpx has them."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error)) from None
    except httpcore.NetworkError as error:
        raise httpx.ReadError(str(error)) from None
