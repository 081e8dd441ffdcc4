"""Whom a request is for: its Host. In an instance, before the key and before the body.

A page of another site, opened in a browser on this machine, can have its name point to 127.0.0.1 and then talk to a
service there as if it were its own: DNS rebinding. Its requests still say that name.

Covered: on loopback, a request for any host but the address itself, localhost, a loopback address or a name that
`--allow-host` gives is refused; so is one with two of them. No answer lets a page of another origin read it: there
are no CORS headers.
Not covered: an address that others can reach, without `--allow-host`: its names are not known here. A Unix socket:
no page reaches it. Programs on this machine, which can say any Host.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from noghost.api.body import marked
from noghost.api.errors import error_response
from noghost.api.here import Here
from noghost.config import Address, Config, is_loopback
from noghost.errors import RequestError

HINT = "say localhost or the address itself, or start the service with --allow-host NAME"
WRONG = RequestError(f"this service is not the host that the request is for ({HINT})", status=421, code="unknown_host")


def hosts_of(config: Config) -> frozenset[str] | None:
    """The names that requests may be for, besides loopback's own; None: any."""
    return hosts_at(config.address, config.hosts)


def hosts_at(address: Address, more: tuple[str, ...] = ()) -> frozenset[str] | None:
    """The same at any address."""
    if not more and (address.reachable or address.unix is not None):
        return None
    return frozenset(name.lower() for name in (address.host, *more))


def is_for_us(values: list[bytes], hosts: frozenset[str]) -> bool:
    """Whether the Host lines of a request are one of ours, or none (HTTP/1.0: no browser leaves it out)."""
    if not values:
        return True
    name = values[0].decode("ascii", "replace").strip().lower()
    bare, colon, port = name.rpartition(":")
    if colon and port.isdecimal() and not bare.endswith(":"):
        name = bare
    name = name.removeprefix("[").removesuffix("]").removesuffix(".")
    return len(values) == 1 and (name in hosts or is_loopback(name))


class KnownHost:
    """ASGI middleware: refuses what is for another host."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        now: Here = scope["app"].state.here
        values = [value for name, value in scope["headers"] if name == b"host"]
        if now.hosts is None or is_for_us(values, now.hosts):
            await self._app(scope, receive, send)
        else:
            await error_response(WRONG, scope["path"])(scope, receive, marked(send, now))
