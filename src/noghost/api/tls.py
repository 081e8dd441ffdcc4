"""TLS between the socket and HTTP: to the socket a protocol, to HTTP a transport. In the instance.

asyncio has such a part too. This one says why a handshake failed (asyncio's drops the alert), tells a caller that
speaks plain HTTP so in plain HTTP, and ends a connection once its own end is said: TLS 1.3 need not wait for the
caller's, and the wipe does not. The cryptography is OpenSSL's alone.

Covered: one write is one record (up to 16 KiB), so that what `pad.py` makes equal is equal on the wire; a handshake
that fails or is not finished reaches no HTTP; a caller that leaves in any state ends the instance.
Not covered: what record sizes and times tell where nothing is padded, which is requests, headers and errors too; a
caller whose close_notify is missing is taken for one that left, as one that cuts its connection is.
"""

from __future__ import annotations

import asyncio
import enum
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, cast

from noghost.errors import RequestError

GREETING = b"\x16\x03"  # of every TLS connection, a handshake record and a major version: RFC 8446, 5.1
READ_BYTES = 64 * 1024
NOT_TLS = RequestError("this port speaks TLS: say https:// instead of http://", code="tls_required")
BROKEN = RequestError("the TLS handshake failed", code="tls_failed")


class Phase(enum.Enum):
    """Of one connection."""

    SHAKING = enum.auto()
    OPEN = enum.auto()
    PLAIN = enum.auto()  # the caller does not speak TLS: what is said to it is plain, and nothing is heard
    SHUT = enum.auto()


def is_greeting(data: bytes) -> bool:
    """Whether a connection that begins so can be TLS of any version since SSL 3.0."""
    return all(one == wanted for one, wanted in zip(data, GREETING, strict=False))


class Inner(Protocol):
    """What is told to HTTP, besides what asyncio tells a protocol."""

    def refuse(self, error: RequestError) -> None:
        """Answer with an error, and close the transport."""


class TlsEnd(asyncio.Protocol, asyncio.Transport):
    """The service's end of one TLS connection."""

    def __init__(self, context: ssl.SSLContext, inner: asyncio.Protocol) -> None:
        super().__init__()
        self._inner = inner
        self._context = context
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._leaving, server_side=True)
        self._phase = Phase.SHAKING
        self._heard = False
        self._raw: asyncio.Transport

    # --- to the socket ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """HTTP begins at once: its deadline counts from here, and what it says before the handshake is dropped."""
        self._raw = cast(asyncio.Transport, transport)
        self._inner.connection_made(self)

    def data_received(self, data: bytes) -> None:
        """Records, or the greeting of somebody who does not speak TLS."""
        if not self._heard and not is_greeting(data):
            self._refuse(Phase.PLAIN, NOT_TLS)
        self._heard = True
        if self._phase in (Phase.SHAKING, Phase.OPEN):
            self._arrived.write(data)
            with self._sending():
                self._hear()

    def eof_received(self) -> None:
        """The caller has left; the socket's transport closes."""
        self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._phase = Phase.SHUT
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Much waits for the caller."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """No longer."""
        self._inner.resume_writing()

    def _hear(self) -> None:
        """Go on with the handshake, then with what was decrypted; raises SSLError."""
        if self._phase is Phase.SHAKING:
            self._tls.do_handshake()
            self._phase = Phase.OPEN
        while self._phase is Phase.OPEN:
            if not (piece := self._tls.read(READ_BYTES)):
                self.close()  # the caller's close_notify: it has left
                return
            self._inner.data_received(piece)

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """Send what OpenSSL has to say afterwards, an alert above all; an error of TLS ends the connection."""
        try:
            yield
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            self._flush()
            if self._phase is Phase.SHAKING:
                self._refuse(Phase.SHUT, BROKEN)
            self._phase = Phase.SHUT
            self._raw.close()
        else:
            self._flush()

    def _flush(self) -> None:
        if records := self._leaving.read():
            self._raw.write(records)

    def _refuse(self, phase: Phase, error: RequestError) -> None:
        self._phase = phase
        cast(Inner, self._inner).refuse(error)

    # --- to HTTP ---

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """A WebSocket takes the place of HTTP."""
        self._inner = cast(asyncio.Protocol, protocol)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """One record, unless it is over 16 KiB."""
        if self._phase is Phase.PLAIN:
            self._raw.write(data)
        elif self._phase is Phase.OPEN:
            with self._sending():
                rest = memoryview(data)
                while rest:
                    rest = rest[self._tls.write(rest) :]

    def close(self) -> None:
        """Say the end, and close once everything is sent."""
        if self._phase is Phase.OPEN:
            with suppress(ssl.SSLError):  # SSLWantReadError: it would wait for the caller's
                self._tls.unwrap()
            self._flush()
        self._phase = Phase.SHUT
        self._raw.close()

    def abort(self) -> None:
        """Close at once."""
        self._phase = Phase.SHUT
        self._raw.abort()

    def is_closing(self) -> bool:
        """Nothing more can be said."""
        return self._phase is Phase.SHUT or self._raw.is_closing()

    def pause_reading(self) -> None:
        """Enough for now; what has arrived is still handed on."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._raw.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """That it is TLS; else what the socket's transport knows."""
        own = {"sslcontext": self._context, "ssl_object": self._tls}
        return own[name] if name in own else self._raw.get_extra_info(name, default)
