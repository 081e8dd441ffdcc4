"""One sealed invocation as its caller goes through it: bytes in, bytes out. No connection is here.

Covered: nothing is sealed before the opening is verified and its key is the service's; what the answer is taken from
was opened, in order, and an answer ends with its last record.
Not covered: whose service it is, which trust.py knows.
"""

from __future__ import annotations

from collections.abc import Iterator

import h11
import httpx

from noghost.client.sealed.trust import Trust
from noghost.client.upgrade import Upgrade
from noghost.errors import SealedError
from noghost.ledger.statement import OPENING_MAX_BYTES, verify
from noghost.sealed.frames import BINARY, CODES, PONG, Frames, frame
from noghost.sealed.records import MOST_BYTES, Opener
from noghost.sealed.request import seal

PATH = "/v1/sealed"


class Exchange:
    """With one instance. `id` is its invocation's, once the opening is here."""

    def __init__(self, trust: Trust, request: httpx.Request) -> None:
        """`request` has been read."""
        self.id = ""
        self._trust = trust
        self._http = h11.Connection(h11.CLIENT)
        self._request = self._as_bytes(request)
        self._opener: Opener | None = None
        self._frames = Frames(max(OPENING_MAX_BYTES, MOST_BYTES), masked=False)
        self._upgrade = Upgrade()
        self._gone = False

    def _as_bytes(self, request: httpx.Request) -> bytes:
        """The request as HTTP/1.1."""
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        events = (head, h11.Data(data=request.content), h11.EndOfMessage())
        return b"".join(self._http.send(event) or b"" for event in events)

    def upgrade(self, request: httpx.Request) -> httpx.Request:
        """What opens the invocation. It says nothing of the request but where it goes."""
        headers = {"Host": request.url.netloc.decode("ascii")} | self._upgrade.headers
        url = request.url.copy_with(raw_path=PATH.encode())
        return httpx.Request("GET", url, headers=headers, extensions=request.extensions)

    def check(self, response: httpx.Response) -> None:
        """Raises SealedError unless the upgrade was taken."""
        if response.status_code != httpx.codes.SWITCHING_PROTOCOLS:
            hint = "it, or what is between, does not pass WebSockets on" * (response.status_code < 500)
            raise SealedError(f"no sealed invocation: the answer was {response.status_code}", hint, code="refused")
        if not self._upgrade.is_answered_by(response):
            raise SealedError("no sealed invocation: this is no answer to a WebSocket", code="refused")

    def receive(self, data: bytes) -> bytes:
        """What is to be said to bytes that came; none: the connection has ended. Raises SealedError or LedgerError."""
        self._gone |= not data
        said = b"".join(map(self._take, self._frames.take(data)))
        pings, self._frames.pings = self._frames.pings, []
        return said + b"".join(frame(PONG, one, masks=True) for one in pings)

    def _take(self, message: bytes) -> bytes:
        if self._opener is None:
            return frame(BINARY, self._seal(message), masks=True)
        if piece := self._opener.open(message):
            self._http.receive_data(piece)
        if self._opener.ended:
            self._http.receive_data(b"")
        return b""

    def _seal(self, opening: bytes) -> bytes:
        stated = verify(opening)
        self._trust.check(stated.verifier)
        self.id = stated.statement.id
        sealed, self._opener = seal(self._request, stated.statement.public, opening)
        return sealed

    def events(self) -> Iterator[h11.Event]:
        """What is here of the answer. Raises SealedError where no more can come, and the last record is not here."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                raise SealedError("the sealed answer is not HTTP", code="truncated") from None
            if not isinstance(event, h11.Event):  # it needs more
                break
            if not isinstance(event, h11.ConnectionClosed):
                yield event
            if isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                break
        if not self.ended and (self._gone or self._frames.closed):
            raise self.cut()

    @property
    def ended(self) -> bool:
        """The last record was here."""
        return self._opener is not None and self._opener.ended

    def cut(self) -> SealedError:
        """It ended before its end."""
        _, reason = self._frames.closed or (0, "")
        if reason in CODES:
            return SealedError(f"the service ended the sealed invocation: {reason}", code=reason)
        return SealedError("the sealed invocation was cut off before its end", "ask again", code="truncated")
