"""Take the whole request before the app sees it, within bounds. In an instance.

Covered: more bytes than the limits (413, 431), text that is not UTF-8 (400), a fault of ours (500), in the API's own
shape; a body that breaks off reaches nobody.
Not covered: a caller that is too slow; `connection.py` has that deadline.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from noghost.api import capsule, forms, life, parts
from noghost.api.errors import error_response
from noghost.api.here import Here
from noghost.config import Limits
from noghost.errors import RequestError

BUSY = "too many requests are under way in this service; come back later"


class WholeBody:
    """ASGI middleware: reads, checks, hands on; adds the invocation's id to the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        now: Here = scope["app"].state.here
        send = marked(send, now)
        try:
            if now.busy:
                raise RequestError(BUSY, status=503, code="busy")
            check_header(scope, now.limits.header_bytes)
            now.tally.life = life.digest_of(Headers(scope=scope))
            if scope["type"] == "websocket":
                await self._app(scope, receive, send)
                return
            scope, body = await read_parts(scope, receive, now.limits)
            await self._app(scope, replay(body, receive), send)
        except ClientDisconnect:
            return
        except Exception as error:  # Starlette's own handler is outside of this: the tally would not see it
            answered = now.tally.status
            response = error_response(error, scope["path"])
            now.tally.status = response.status_code
            if answered:
                raise  # half an answer is out: the connection breaks off
            await response(scope, receive, send)


def marked(send: Send, now: Here) -> Send:
    """A `send` that counts the answer, names its invocation and keeps it out of caches."""

    async def send_marked(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            now.tally.status = message["status"]
            own = [(b"noghost-instance", now.hex.encode()), (b"cache-control", b"no-store")]
            message["headers"] = [*message["headers"], *own]
        elif message["type"] == "websocket.accept":
            now.tally.status = 101
            message["headers"] = [*message.get("headers", ()), (b"noghost-instance", now.hex.encode())]
        await send(message)

    return send_marked


def check_header(scope: Scope, most_bytes: int) -> None:
    """Raise RequestError for a header over `most_bytes`: h11 measures only one that comes in several segments."""
    lines = sum(len(name) + len(value) + len(": \r\n") for name, value in scope["headers"])
    if lines + len(scope["raw_path"]) + len(scope["query_string"]) > most_bytes:
        raise header_too_large(most_bytes)


def header_too_large(most_bytes: int) -> RequestError:
    """The error for it."""
    message = f"the header is over this service's limit of {most_bytes} bytes"
    return RequestError(message, status=431, code="header_too_large")


async def read_parts(scope: Scope, receive: Receive, limits: Limits) -> tuple[Scope, bytes]:
    """(scope, JSON): the body, or of a body of two parts the first, with the capsule in the scope for who looks there.

    The app sees the request that it would have been without the capsule. A form stays in the scope as well.
    """
    if scope["path"] in forms.PATHS:
        most_bytes = limits.audio_bytes
        return forms.with_form(scope, await read_body(scope, receive, most_bytes, too_large("body", most_bytes))), b""
    boundary = parts.boundary_of(Headers(scope=scope).get("content-type", ""))
    if boundary is None:
        return scope, text(await read_body(scope, receive, limits.body_bytes, too_large("body", limits.body_bytes)))
    capsule.key_of(scope)  # before anything is read: with this header no other page's script can be the sender
    most_bytes = limits.body_bytes + limits.capsule_bytes + parts.FRAME_BYTES
    body, given = parts.split(
        await read_body(scope, receive, most_bytes, too_large("capsule", limits.capsule_bytes)), boundary
    )
    for name, length, most in (("body", len(body), limits.body_bytes), ("capsule", len(given), limits.capsule_bytes)):
        if length > most:
            raise too_large(name, most)
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"content-type", b"content-length")]
    headers.append((b"content-type", parts.JSON.encode()))
    return {**scope, "headers": headers, capsule.GIVEN: given}, text(body)


def too_large(name: str, most_bytes: int) -> RequestError:
    """The error for a body or a capsule."""
    message = f"the {name} is over this service's limit of {most_bytes} bytes"
    return RequestError(message, status=413, code=f"{name}_too_large")


async def read_body(scope: Scope, receive: Receive, most_bytes: int, too_long: RequestError) -> bytearray:
    """The body, at most `most_bytes`; raises `too_long`, or ClientDisconnect when the caller leaves early."""
    declared = Headers(scope=scope).get("content-length", "0")
    if declared.isdecimal() and int(declared) > most_bytes:
        raise too_long
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        length += len(part)
        if length > most_bytes:
            raise too_long
        pieces.append(part)
        if not message.get("more_body"):
            break
    return bytearray().join(pieces)


def text(body: bytes | bytearray) -> bytes:
    """The same, once it is known to be text; RequestError."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not valid UTF-8 at byte {error.start}", code="invalid_utf8") from None
    return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, then what comes after it."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again
