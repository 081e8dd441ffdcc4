"""Events to the caller of a conversation. In an instance."""

from __future__ import annotations

import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from noghost.api.errors import told
from noghost.api.turn import fresh_name

Event = dict[str, Any]


class Wire:
    """One after the other; a caller that does not read makes who speaks wait."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def hear(self) -> str | None:
        """The next event as it came; None for one that is no text. Raises WebSocketDisconnect."""
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            raise WebSocketDisconnect(message.get("code", 1005))
        text: str | None = message.get("text")
        return text

    async def say(self, kind: str, **fields: Any) -> None:
        """An event of ours."""
        event = {"type": kind, "event_id": fresh_id("event"), **fields}
        await self._socket.send_text(json.dumps(event, ensure_ascii=False, separators=(",", ":")))

    async def close(self) -> None:
        """There is no more to say."""
        await self._socket.close()

    async def complain(self, error: Exception, event_id: str | None = None) -> None:
        """What an event of the caller's came to; the conversation goes on."""
        body = told(error)[1]["error"]
        await self.say("error", error={**body, "event_id": event_id})


def fresh_id(kind: str) -> str:
    """A name for something of this conversation."""
    return f"{kind}_{fresh_name()}"
