"""How a client of ours asks for a WebSocket over httpx (RFC 6455, 4.1). No connection is here."""

from __future__ import annotations

import base64
import os

import httpx

from noghost.sealed.frames import accept_of


class Upgrade:
    """One handshake."""

    def __init__(self) -> None:
        self._challenge = base64.b64encode(os.urandom(16))

    @property
    def headers(self) -> dict[str, str]:
        """Of the request that asks for it."""
        return {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": self._challenge.decode(),
        }

    def is_answered_by(self, response: httpx.Response) -> bool:
        """By somebody who read the request as a WebSocket's."""
        answer: str = response.headers.get("sec-websocket-accept", "")
        return answer.encode() == accept_of(self._challenge)
