"""The WebSocket of a conversation, from the caller's side: events as JSON, both ways. In the talk command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpcore
import httpx

from noghost.client.conversation import RefusedError, error_of
from noghost.client.reach import open_async_client
from noghost.client.upgrade import Upgrade
from noghost.errors import HuntError, SealedError
from noghost.sealed.frames import DONE, PONG, TEXT, Frames, close, frame

PATH = "/v1/realtime"
READ_BYTES = 64 * 1024
MOST_EVENT_BYTES = 16 * 1024 * 1024
MOST_WAITING = 500  # messages that the service has not taken: 20 s of sound
WRITE_S = 30.0  # until the service takes what is said
BYE_S = 1.0
MUTE = "start it with --voice, and with the extra `voice`: noghost serve --voice"
Event = dict[str, Any]


class Wire:
    """`say` at any time; `events` once. Raises HuntError where the service cannot be spoken to, or goes."""

    def __init__(self, client: httpx.AsyncClient, response: httpx.Response) -> None:
        self._client, self._response = client, response
        self._stream = response.extensions["network_stream"]
        self._frames = Frames(MOST_EVENT_BYTES, masked=False, carries=TEXT)
        self._waiting = asyncio.Queue[bytes]()
        self._writing = asyncio.create_task(self._write())

    @classmethod
    async def open(cls, url: str, model: str, **access: Any) -> Wire:
        """A conversation with that model; `access` as of reach.open_async_client."""
        client = open_async_client(url, **access)
        try:
            return cls(client, await upgraded(client, url, model))
        except BaseException:
            await client.aclose()
            raise

    def say(self, kind: str, **fields: Any) -> None:
        """An event of ours."""
        self._waiting.put_nowait(frame(TEXT, json.dumps({"type": kind, **fields}).encode(), masks=True))

    @property
    def is_behind(self) -> bool:
        """The service does not take what is said."""
        return self._waiting.qsize() > MOST_WAITING

    async def _write(self) -> None:
        with suppress(httpcore.NetworkError, httpcore.TimeoutException):  # whoever reads finds that out too
            while True:
                await self._stream.write(await self._waiting.get(), timeout=WRITE_S)

    async def events(self) -> AsyncIterator[Event]:
        """As they come. Ends with HuntError."""
        while True:
            try:
                data = await self._stream.read(READ_BYTES, timeout=None)
                for message in self._frames.take(data):
                    yield json.loads(message)
            except (httpcore.NetworkError, httpcore.TimeoutException, SealedError, ValueError):
                raise gone() from None
            for ping in self._frames.pings:
                self._waiting.put_nowait(frame(PONG, ping, masks=True))
            self._frames.pings.clear()
            if self._frames.closed is not None or not data or self._writing.done():
                raise gone()

    async def close(self) -> None:
        """The end: of every process that the conversation has, too."""
        self._writing.cancel()
        await asyncio.wait([self._writing])
        with suppress(httpcore.NetworkError, httpcore.TimeoutException):  # it may have gone first
            await self._stream.write(close(DONE, masks=True), timeout=BYE_S)
        await self._response.aclose()
        await self._client.aclose()


async def upgraded(client: httpx.AsyncClient, url: str, model: str) -> httpx.Response:
    """The answer that is a WebSocket."""
    upgrade = Upgrade()
    asked = client.build_request("GET", PATH, params={"model": model}, headers=upgrade.headers)
    try:
        response = await client.send(asked, stream=True)
        if response.status_code == httpx.codes.SWITCHING_PROTOCOLS and upgrade.is_answered_by(response):
            return response
        error = error_of(await response.aread())
    except httpx.HTTPError as failed:
        hint = "check the address, and that the service runs"
        raise HuntError(f"no answer from {url} ({type(failed).__name__})", hint) from None
    if response.status_code == httpx.codes.NOT_FOUND and error.get("code") != "model_not_found":
        raise HuntError(f"the service at {url} neither hears nor speaks", MUTE)
    raise RefusedError(response.status_code, str(error.get("message") or "nothing else"))


def gone(how: str = "broke the conversation off") -> HuntError:
    """In the middle of a conversation."""
    return HuntError(f"the service {how}", "see that it runs; space tries again")
