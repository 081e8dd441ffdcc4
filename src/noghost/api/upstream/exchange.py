"""One request and its answer over a link: HTTP/1.1, as the caller. In an instance.

Covered: a body that ends early is an error (h11 counts it); no redirect is followed; no header of our caller's is
passed on, and of the provider's none but its status and Retry-After is looked at.
Not covered: the size of an answer that is streamed, which is never held whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import h11

from noghost.api.parts import JSON
from noghost.api.upstream.faults import broken, unreadable
from noghost.api.upstream.link import Link
from noghost.api.upstream.remote import Remote


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose body is still to come."""

    status: int
    wait: str | None  # Retry-After
    body: AsyncIterator[bytes]


async def post(link: Link, remote: Remote, endpoint: str, body: bytes) -> Reply:
    """Ask; raises UpstreamError."""
    http = h11.Connection(h11.CLIENT)
    head = http.send(h11.Request(method="POST", target=remote.upstream.path + endpoint, headers=headers(remote, body)))
    await link.send(b"".join((head or b"", http.send(h11.Data(body)) or b"", http.send(h11.EndOfMessage()) or b"")))
    while not isinstance(event := await following(link, http), h11.Response):
        if not isinstance(event, h11.InformationalResponse):
            raise unreadable()
    wait = next((value.decode("latin-1") for name, value in event.headers if name == b"retry-after"), None)
    return Reply(event.status_code, wait, data_of(link, http))


def headers(remote: Remote, body: bytes) -> list[tuple[bytes, bytes]]:
    """Ours alone."""
    upstream = remote.upstream
    host = upstream.host if upstream.has_default_port else f"{upstream.host}:{upstream.port}"
    return [
        (b"host", host.encode()),
        (b"content-type", JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *([(b"authorization", b"Bearer " + remote.key)] if remote.key else []),
    ]


async def data_of(link: Link, http: h11.Connection) -> AsyncIterator[bytes]:
    """The pieces of the body, to its end."""
    while isinstance(event := await following(link, http), h11.Data):
        yield bytes(event.data)
    if not isinstance(event, h11.EndOfMessage):
        raise broken()


async def following(link: Link, http: h11.Connection) -> object:
    """The next event of HTTP."""
    try:
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await link.receive())
    except h11.RemoteProtocolError:
        raise broken() if http.their_state is h11.SEND_BODY or http.trailing_data[1] else unreadable() from None
    return event
