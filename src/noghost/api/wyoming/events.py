"""Wyoming's events as bytes: a line of JSON, then its data, then its payload. PURE.

Read here and not by the `wyoming` package, whose reader takes events of any size, and takes one that it cannot read for
the end of the connection.
Covered: what is no event, or is too large, is an error that repeats nothing of it. Not covered: what is in the data.

Source: README.md of OHF-Voice/wyoming, "Format".
"""

from __future__ import annotations

import json
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader
from dataclasses import dataclass
from typing import Any

from noghost.config import Limits
from noghost.errors import RequestError

NO_EVENT = "this is not an event of the Wyoming protocol: a line with a JSON object that has a type"


@dataclass(frozen=True, repr=False)  # no repr: it would hold content
class Event:
    """One event."""

    type: str
    data: dict[str, Any]
    payload: bytes


def render(kind: str, data: dict[str, Any], payload: bytes = b"") -> bytes:
    """As it is sent. The data stands behind the line, since clients take lines of 64 KiB at most."""
    body = json.dumps(data).encode()
    head: dict[str, Any] = {"type": kind, "data_length": len(body)}
    if payload:
        head["payload_length"] = len(payload)
    return json.dumps(head).encode() + b"\n" + body + payload


async def read(reader: StreamReader, limits: Limits) -> Event | None:
    """The next event; None where there is none any more, a part of one included. Raises RequestError for what is no
    event; what follows it cannot be read. `reader` takes lines of `limits.header_bytes`."""
    try:
        head = parsed(await reader.readuntil(b"\n"))
        kind, data = head.get("type"), head.get("data") or {}
        if not isinstance(kind, str) or not isinstance(data, dict):
            raise invalid(NO_EVENT)
        if length := length_of(head, "data_length", limits):
            data = {**data, **parsed(await reader.readexactly(length))}
        payload = await reader.readexactly(length_of(head, "payload_length", limits))
    except IncompleteReadError:
        return None
    except LimitOverrunError:
        raise too_large("the line of an event", limits.header_bytes) from None
    return Event(kind, data, payload)


def parsed(text: bytes) -> dict[str, Any]:
    """A JSON object, in UTF-8: of bytes, `json` would guess at other codecs, which an instance cannot load."""
    try:
        found = json.loads(text.decode())
    except (ValueError, RecursionError):
        raise invalid(NO_EVENT) from None
    if not isinstance(found, dict):
        raise invalid(NO_EVENT)
    return found


def length_of(head: dict[str, Any], name: str, limits: Limits) -> int:
    """How many bytes are said to follow."""
    length = head.get(name) or 0
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise invalid(f"the {name} of an event is a whole number of bytes")
    if length > limits.body_bytes:
        raise too_large(f"the {name.removesuffix('_length')} of an event", limits.body_bytes)
    return length


def invalid(message: str) -> RequestError:
    """What cannot be taken for an event, or for this one."""
    return RequestError(message, code="invalid_event")


def too_large(what: str, most_bytes: int) -> RequestError:
    """More than there may be."""
    return RequestError(f"{what} is over this service's limit of {most_bytes} bytes", status=413, code="too_large")
