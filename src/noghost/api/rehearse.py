"""Go through the app before others do. In the warden; the words are ours and public.

Much of what a web framework needs it imports at its first request. An instance must not: it opens no file. And what
the interpreter notes down when code runs for the first times (specialised instructions, caches of attributes) it would
note in each instance anew, in pages that are the instance's own then, to be wiped. What is rehearsed is the app with no
model: every endpoint once, and then a connection, over a pair of sockets, until nothing is new any more.

What the first instance cannot be without comes before the first birth (`make_whole`). The rest only saves time: where
somebody waits at the door already, as after a knock that woke the service, it comes after that (warden/listen.py).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.types import Message

from noghost.api.connection import serve_connection
from noghost.api.document import paths
from noghost.api.equipment import equip
from noghost.api.forms import PATHS as FORMS
from noghost.api.here import Here, Recorder
from noghost.api.sealed import PATH as SEALED
from noghost.api.strict import build_all
from noghost.api.uvicorn_parts import Config
from noghost.config import Limits
from noghost.engine.capsule import KEY_BYTES, MEDIA_TYPE, open_sealed, seal
from noghost.engine.origin import Origin
from noghost.errors import ReceiptNotFound
from noghost.keys.key import Keys, mint
from noghost.messages import Outcome
from noghost.sealed.request import OneTimeKey
from noghost.sealed.request import seal as seal_request
from noghost.timeline import Timeline

BODY = b'{"messages": []}'
PARTS = b"--b\r\nContent-Type: application/json\r\n\r\n%b\r\n--b\r\nContent-Type: %b\r\n\r\n0\r\n--b--" % (
    BODY,
    MEDIA_TYPE.encode(),
)
VOICED = (*(("POST", path) for path in (*FORMS, "/v1/audio/speech")), ("GET", "/v1/audio/voices"))
PROBE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
CONNECTIONS = 10  # CPython 3.11 and later specialise a function once it was called 8 times
PARAMETER = re.compile(r"{\w+}")


class NoReceipt:
    """In the place of the line to the reaper, which no rehearsal reaches but to be told that there is nothing."""

    def receipt(self, _invocation: bytes) -> str:
        """Nothing is recorded of a rehearsal."""
        raise ReceiptNotFound("a rehearsal has no receipt")


def make_whole(app: Starlette, keys: Keys | None = None) -> None:
    """Import what else would be at the first requests, of whatever kind, and build the schema of chat requests. With
    `keys`, turn away a request whose key is none of them: what checks a key is loaded then."""
    importlib.import_module("anyio._backends._asyncio")  # chosen by name at run time
    importlib.import_module("cryptography.hazmat.primitives.asymmetric.x25519")  # where it is first needed
    with nowhere(app):
        asyncio.run(app(scope_of("POST", "/v1/chat/completions"), whole(BODY), discard))
        if keys is not None:
            app.state.here = replace(app.state.here, keys=keys)
            asyncio.run(rehearse_key(app))


def rehearse(app: Starlette, settings: Config, limits: Limits) -> list[Outcome]:
    """Build every schema; run a few requests through `app`, an answer that is streamed among them, and serve a few
    connections of our own, as an instance does. How these ended; all of it is forgotten."""
    build_all()
    outcomes = []
    with nowhere(app):
        asyncio.run(try_all(app))
        for _ in range(CONNECTIONS):
            here, there = socket.socketpair()
            with there:
                there.sendall(PROBE)
                equipment = equip(here, limits.stall_s)
                outcomes.append(serve_connection(settings, app, equipment, app.state.here))
            equipment.after.close()
            equipment.loop.close()
        asyncio.set_event_loop(None)
    return outcomes


def rehearse_path(app: Starlette, path: str) -> None:
    """Run one request through an app that has little more."""
    with nowhere(app):
        asyncio.run(app(scope_of("GET", path), whole(b""), discard))


@contextlib.contextmanager
def nowhere(app: Starlette) -> Iterator[None]:
    """The invocation that a rehearsal is."""
    recorder = cast(Recorder, NoReceipt())
    app.state.here = Here(bytes(16), Timeline(), (), recorder, Limits(), 1, lambda: 1)
    try:
        yield
    finally:
        del app.state.here


async def try_all(app: Starlette) -> None:
    """Every endpoint once, a path that is none, a stream."""
    documented = [(method.upper(), path) for path, methods in paths().items() for method in methods]
    documented += VOICED  # of a service with a voice; the document has them not
    undocumented = [("GET", path) for path in ("/", "/docs", "/openapi.json", "/nothing", SEALED)]
    for method, path in [*documented, *undocumented]:
        with contextlib.suppress(Exception):  # there is no model here to answer with: its imports are what counts
            body = BODY if method == "POST" else b""
            await app(scope_of(method, PARAMETER.sub("0" * 32, path)), whole(body), discard)
    for path in ("/v1/chat/completions", "/v1/completions"):
        await app(with_capsule(scope_of("POST", path)), whole(PARTS), discard)
    with contextlib.suppress(Exception):
        await app(as_websocket(scope_of("GET", "/v1/realtime")), whole(b""), discard)
    rehearse_sealing()
    await StreamingResponse(pieces())(scope_of("GET", "/"), whole(b""), discard)


async def rehearse_key(app: Starlette) -> None:
    """A request that is turned away: with a key that nobody has, made up here."""
    scope = scope_of("GET", "/v1/models")
    scope["headers"].append((b"x-api-key", mint().encode()))
    await app(scope, whole(b""), discard)


def with_capsule(scope: dict[str, Any]) -> dict[str, Any]:
    """The scope of a request that brings a capsule."""
    key = base64.b64encode(bytes(KEY_BYTES))
    return {**scope, "headers": [(b"content-type", b"multipart/mixed; boundary=b"), (b"noghost-capsule-key", key)]}


def as_websocket(scope: dict[str, Any]) -> dict[str, Any]:
    """The scope of one that is turned away: where there is no model, there is nobody to speak with."""
    return {**scope, "type": "websocket", "subprotocols": [], "extensions": {"websocket.http.response": {}}}


def rehearse_sealing() -> None:
    """Seal nothing under no key, and open it: OpenSSL fetches an algorithm when it is first used. A request too."""
    origin = Origin(bytes(32), bytes(32), 0, 0, 0, 0)
    sealed = bytearray().join(seal(bytes(KEY_BYTES), origin, [0], memoryview(bytes(1))))
    open_sealed(bytes(KEY_BYTES), memoryview(sealed))
    key = OneTimeKey()
    request, opener = seal_request(b"", key.public, b"")
    opener.open(key.open(request, b"")[1].seal(b"", last=True))


async def pieces() -> Any:
    """Something to stream."""
    yield b"rehearsal"


def scope_of(method: str, path: str) -> dict[str, Any]:
    """An ASGI scope."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "server": None,
        "client": None,
        "state": {},
    }


def whole(body: bytes) -> Any:
    """A `receive` that gives the body once and then waits, as a caller does who stays."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await asyncio.Future()

    return receive


async def discard(_message: Message) -> None:
    """A `send` to nobody."""
