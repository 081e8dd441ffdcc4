"""One connection, one request, one answer: uvicorn's HTTP/1.1 on the accepted socket. In an instance.

Covered: `Connection: close` on every answer; a deadline for the request; a header that never ends; the end of the
process as soon as the caller has left. A caller that closes only its sending side counts as gone: until something is
sent to it, it cannot be told from one that has closed both, and nothing is computed for nobody.
Not covered: what the wire shows without TLS (tls.py); a caller that stays and does not read, who has until the
deadline of the invocation. What waits for it is bounded: 64 KiB in the transport, and in the queue of `work.py` no
more pieces than the context has tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
from dataclasses import replace
from typing import Any, cast

import h11
from starlette.applications import Starlette
from starlette.types import Scope

from noghost.api.body import header_too_large
from noghost.api.equipment import Equipment, part
from noghost.api.errors import told
from noghost.api.here import Here
from noghost.api.sealed import PATH, SealedEnd, accepted, refusal
from noghost.api.tls import TlsEnd
from noghost.api.uvicorn_parts import Config, H11Protocol, ServerState
from noghost.config import Limits
from noghost.errors import NoghostError, RequestError, SealedError
from noghost.messages import Outcome

REALTIME = "/v1/realtime"


def uvicorn_config(app: Starlette, limits: Limits, *, voice: bool = False) -> Config:
    """In the warden, before fork: everything that uvicorn imports and builds. Its loggers are switched off:
    they would write paths and tracebacks."""
    logging.disable(logging.CRITICAL)
    config = Config(
        app,
        lifespan="off",
        http="h11",
        **(websockets() if voice else {"ws": "none"}),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=limits.header_bytes,
    )
    config.load()
    return config


def websockets() -> dict[str, Any]:
    """What only a service with a voice imports: how WebSockets are spoken."""
    from noghost.api.websocket import rehearse_websocket, settings

    rehearse_websocket()
    return settings()


class OneRequest(H11Protocol):
    """uvicorn's protocol, once. `ended` gets the outcome.

    Of a sealed invocation there are two: the outer one ends at the upgrade and hands on what arrives, the inner one has
    the request that was sealed.
    """

    _sealed: SealedEnd | None = None
    _inner: OneRequest | None = None
    _is_inner = False

    def __init__(self, config: Config, now: Here, loop: asyncio.AbstractEventLoop) -> None:
        state = ServerState()
        state.default_headers = [(b"connection", b"close")]
        super().__init__(config=config, server_state=state, app_state={}, _loop=loop)
        self.ended: asyncio.Future[Outcome] = loop.create_future()
        self._now = now
        self._timed_out = False
        self._talk: asyncio.Protocol | None = None
        loop.call_later(now.limits.request_s, self._on_request_deadline)

    @property
    def request_complete(self) -> bool:
        """Every byte of the request is here."""
        if self._inner:
            return self._inner.request_complete
        return self._talk is not None or (self.cycle is not None and not self.cycle.more_body)

    def _on_parted(self, exc: Exception | None) -> None:
        self._timed_out |= isinstance(exc, TimeoutError)  # ETIMEDOUT: it read nothing of what waited for it
        if not self.ended.done():
            self.ended.set_result(self._outcome())

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has left, or we have closed."""
        if self._inner:
            self._inner.connection_lost(exc)
        super().connection_lost(exc)
        self._on_parted(exc)

    def data_received(self, data: bytes) -> None:
        """Of HTTP, or what is sealed."""
        if self._sealed:
            self._sealed.data_received(data)
        else:
            super().data_received(data)

    def pause_writing(self) -> None:
        """Much waits for the caller."""
        if self._inner:
            self._inner.pause_writing()
        else:
            super().pause_writing()

    def resume_writing(self) -> None:
        """No longer."""
        if self._inner:
            self._inner.resume_writing()
        else:
            super().resume_writing()

    def _should_upgrade_to_ws(self) -> bool:
        """At two paths, and not again inside; elsewhere an upgrade is not taken, and the request is as any other."""
        talks = self.ws_protocol_class is not None and self.scope["path"] == REALTIME
        return not self._is_inner and (talks or self.scope["path"] == PATH)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Go on sealed, or as a WebSocket."""
        if self.scope["path"] == REALTIME:
            self._go_on_as_websocket(event)
        else:
            self._go_on_sealed()

    def _go_on_as_websocket(self, event: h11.Request) -> None:
        lines = [b"%b: %b\r\n" % (name, value) for name, value in self.headers]
        make: Any = self.ws_protocol_class
        self._talk = talk = make(self.config, self.loop, self._on_parted)
        talk.connection_made(self.transport)
        talk.data_received(b"".join([b"GET ", event.target, b" HTTP/1.1\r\n", *lines, b"\r\n"]))
        self.transport.set_protocol(talk)

    def _go_on_sealed(self) -> None:
        """What arrives now is for the inner request."""
        now = replace(self._now, pads=self._now.pads_sealed)
        inner = OneRequest(self.config, now, self.loop)
        inner._is_inner = True
        try:
            refusal(cast(Scope, self.scope), now)
            end = SealedEnd(self.transport, inner, now)
        except NoghostError as error:
            self.refuse(error)
            return
        cast(Starlette, self.config.app).state.here = now
        self.transport.write(self.conn.send(accepted(self.headers)) or b"")
        self._inner, self._sealed = inner, end
        end.begin(self.conn.trailing_data[0])

    def send_400_response(self, msg: str) -> None:
        """What h11 could not parse, in the API's own shape."""
        limit = self._now.limits.header_bytes
        if self.cycle is None and len(self.conn.trailing_data[0]) > limit:  # h11 keeps the status it means to itself
            self.refuse(header_too_large(limit))
        else:
            self.refuse(RequestError("this is not a valid HTTP/1.1 request", code="invalid_http"))

    def _on_request_deadline(self) -> None:
        if not self.request_complete:
            self._timed_out = True
            seconds = self._now.limits.request_s
            late = f"the request was not complete after {seconds:g} s"
            self.refuse(RequestError(late, status=408, code="request_timeout"))

    def refuse(self, error: NoghostError) -> None:
        """Answer with an error before there is a request, and close."""
        if self._sealed:
            self._sealed.break_off(SealedError(error.message, code="timeout"))
            return
        status, told_body = told(error, self.cycle.scope["path"] if self.cycle else "")
        body = json.dumps(told_body).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"noghost-instance", self._now.hex.encode()),
        ]
        with contextlib.suppress(h11.LocalProtocolError):  # an answer is already on its way
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
            self._now.tally.status = status
        self.transport.close()

    def _outcome(self) -> Outcome:
        if self._timed_out:
            return Outcome.TIMEOUT
        if failed := self._now.tally.failed:
            return failed
        if self._talk is not None:
            return Outcome.ANSWERED  # a conversation has no other end than that somebody leaves
        cycle = self._inner.cycle if self._inner else self.cycle
        return Outcome.ANSWERED if cycle and cycle.response_complete else Outcome.DISCONNECTED


def serve_connection(
    config: Config, app: Starlette, equipment: Equipment, now: Here, tls: ssl.SSLContext | None = None
) -> Outcome:
    """Serve the one request of the connection; returns when the caller has left or has been answered."""
    app.state.here = now
    outcome = equipment.loop.run_until_complete(_serve(config, equipment, now, tls))
    part(equipment.after, outcome, now.limits)
    return outcome


async def _serve(config: Config, equipment: Equipment, now: Here, tls: ssl.SSLContext | None) -> Outcome:
    request = OneRequest(config, now, equipment.loop)
    end = TlsEnd(tls, request) if tls else request
    await equipment.loop.connect_accepted_socket(lambda: end, equipment.connection)
    return await request.ended
