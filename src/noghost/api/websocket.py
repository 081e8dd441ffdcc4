"""A connection that has become a WebSocket: uvicorn's, by wsproto. In an instance.

Covered: the end of the process as soon as the caller has left, in whatever way; a caller that answers no ping, or reads
nothing, ends it too; a page of another site, which a browser lets open a WebSocket to anybody.
Not covered: what is said over it (realtime/).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import wsproto
from starlette.datastructures import Headers
from starlette.types import Scope
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.events import AcceptConnection, Message, Request

from noghost.api.here import Here
from noghost.api.uvicorn_parts import Config, ServerState
from noghost.errors import RequestError

MOST_EVENT_BYTES = 16 * 1024 * 1024  # OpenAI's client may append 15 MiB at once
MOST_PONG_S = 120.0  # while an ear takes minutes of sound that came at once, nothing is read, and no pong
FOREIGN = RequestError(
    "a page of another site cannot speak with this service unless it has an API key", status=403, code="unknown_origin"
)


class Conversation(WSProtocol):
    """uvicorn's protocol; `on_end` is called when the caller has left, or we have, with what went wrong."""

    def __init__(
        self, config: Config, loop: asyncio.AbstractEventLoop, on_end: Callable[[Exception | None], None]
    ) -> None:
        state = ServerState()
        super().__init__(config=config, server_state=state, app_state={}, _loop=loop)
        self._on_end = on_end

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        super().connection_lost(exc)
        self._on_end(exc)


def check_origin(scope: Scope, now: Here) -> None:
    """Browsers send WebSockets of any page to any address, and say whose it is. RequestError for another's."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if now.keys is None and origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise FOREIGN


def rehearse_websocket() -> None:
    """In the warden: greet, accept, say a word, both ends by us."""
    here, there = map(wsproto.WSConnection, (wsproto.ConnectionType.SERVER, wsproto.ConnectionType.CLIENT))
    for sender, receiver, event in (
        (there, here, Request(host="localhost", target="/")),
        (here, there, AcceptConnection()),
        (there, here, Message(data="rehearsal")),
        (here, there, Message(data="rehearsal")),
    ):
        receiver.receive_data(sender.send(event))
        list(receiver.events())


def settings() -> dict[str, Any]:
    """Of uvicorn's configuration. Nothing is compressed: sizes would tell of the content, and sound does not shrink."""
    return {
        "ws": Conversation,
        "ws_max_size": MOST_EVENT_BYTES,
        "ws_per_message_deflate": False,
        "ws_ping_timeout": MOST_PONG_S,
    }
