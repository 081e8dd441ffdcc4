"""A sealed invocation between the socket and HTTP: to the socket frames, to HTTP a transport. In an instance.

The instance makes a key, has the reaper sign it, opens the one request that is sealed to it, and hands that to the same
HTTP as any other; what HTTP writes goes out as sealed records (spec/sealed-v1.md).

Covered: nothing of the request or the answer is on the connection but sealed; a request that cannot be opened reaches
no HTTP; a second one ends the answer; an upgrade that a page of another origin asks for is refused.
Not covered: that there is a request, its size and its time; what the upgrade itself says, which holds no content.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

import h11
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from noghost.api.body import BUSY
from noghost.api.here import Here
from noghost.api.host import WRONG, is_for_us
from noghost.api.parts import FRAME_BYTES
from noghost.errors import NoghostError, RequestError, SealedError
from noghost.sealed.frames import BINARY, CODES, DONE, PONG, Frames, accept_of, close, frame
from noghost.sealed.records import RECORD_BYTES, Sealer
from noghost.sealed.request import OVERHEAD_BYTES, OneTimeKey

PATH = "/v1/sealed"
ONLY = RequestError(
    "what comes here is sealed: ask for an upgrade to WebSocket (spec/sealed-v1.md)", code="sealed_only"
)
FOREIGN = RequestError("this service does not speak to a page of another origin", status=403, code="unknown_origin")
PART = RequestError("the sealed request is not one whole HTTP request", code="invalid_http")


async def unsealed(_request: Request) -> NoReturn:
    """A request that is not sealed."""
    raise ONLY


class Inner(Protocol):
    """The HTTP that has the request which was sealed."""

    @property
    def request_complete(self) -> bool:
        """Every byte of the request is here."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """As asyncio tells a protocol."""

    def data_received(self, data: bytes) -> None:
        """As asyncio tells a protocol."""

    def refuse(self, error: NoghostError) -> None:
        """Answer with an error, and close the transport."""


def refusal(scope: Scope, now: Here) -> None:
    """Raise RequestError for an upgrade that is not taken."""
    headers = Headers(scope=scope)
    if now.busy:
        raise RequestError(BUSY, status=503, code="busy")
    if now.hosts is not None and not is_for_us([one.encode() for one in headers.getlist("host")], now.hosts):
        raise WRONG
    if "origin" in headers and urlsplit(headers["origin"]).netloc.lower() != headers.get("host", "").lower():
        raise FOREIGN
    if scope["method"] != "GET" or headers.get("sec-websocket-version") != "13" or "sec-websocket-key" not in headers:
        raise ONLY


def accepted(headers: list[tuple[bytes, bytes]]) -> h11.InformationalResponse:
    """The answer to an upgrade."""
    accept = accept_of(dict(headers)[b"sec-websocket-key"])
    own = [(b"upgrade", b"websocket"), (b"connection", b"upgrade"), (b"sec-websocket-accept", accept)]
    return h11.InformationalResponse(status_code=101, headers=own, reason=b"Switching Protocols")


class SealedEnd(asyncio.Transport):
    """The instance's end of one sealed invocation. LedgerError where its key cannot be signed."""

    def __init__(self, raw: asyncio.Transport, inner: Inner, now: Here) -> None:
        super().__init__()
        limits = now.limits
        most_bytes = limits.header_bytes + limits.body_bytes + limits.capsule_bytes + FRAME_BYTES + OVERHEAD_BYTES
        self._raw, self._inner, self._tally = raw, inner, now.tally
        self._frames = Frames(most_bytes, masked=True)
        self._key = OneTimeKey()
        self._opening = now.recorder.attest(now.invocation, self._key.public)
        self._sealer: Sealer | None = None

    # --- to the socket ---

    def begin(self, rest: bytes) -> None:
        """Send the opening; `rest` came with the upgrade already."""
        self._inner.connection_made(self)
        self._send(BINARY, self._opening)
        self.data_received(rest)

    def data_received(self, data: bytes) -> None:
        """Frames."""
        try:
            for message in self._frames.take(data):
                self._take(message)
        except SealedError as error:
            self.break_off(error)
        while self._frames.pings:
            self._send(PONG, self._frames.pings.pop(0))
        if self._frames.closed:  # the caller has left
            self._raw.close()

    def _take(self, message: bytes) -> None:
        """The request, whole; HTTP answers it."""
        request, self._sealer = self._key.open(message, self._opening)
        if request:  # to HTTP, no bytes would be the end of the connection
            self._inner.data_received(request)
        if not (self._inner.request_complete or self.is_closing()):
            self._inner.refuse(PART)

    def break_off(self, error: SealedError) -> None:
        """Say why in the clear, and close: nothing of it is content, and no last record is sent."""
        if not self.is_closing():
            self._tally.status = 400
            self._raw.write(close(CODES[error.code], error.code, masks=False))
            self._raw.close()

    def _send(self, kind: int, data: bytes) -> None:
        if not self.is_closing():
            self._raw.write(frame(kind, data, masks=False))

    # --- to HTTP ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """One record, unless it is over 64 KiB."""
        for start in range(0, len(data), RECORD_BYTES):
            self._seal(bytes(data[start : start + RECORD_BYTES]))

    def _seal(self, data: bytes, *, last: bool = False) -> None:
        if self._sealer:
            self._send(BINARY, self._sealer.seal(data, last=last))

    def close(self) -> None:
        """The last record, and the end."""
        if not self.is_closing():
            self._seal(b"", last=True)
            self._raw.write(close(DONE, masks=False))
            self._raw.close()

    def abort(self) -> None:
        """Close at once."""
        self._raw.abort()

    def is_closing(self) -> bool:
        """Nothing more can be said."""
        return self._raw.is_closing()

    def pause_reading(self) -> None:
        """Enough for now."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._raw.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the connection's transport knows."""
        return self._raw.get_extra_info(name, default)
