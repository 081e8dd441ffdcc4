"""A body of two parts, JSON and a capsule: read strictly from memory, written as a stream. In an instance.

RFC 2046, 5.1, and of it only what our own client and curl write: no preamble, no epilogue, exactly two parts, JSON
first. Starlette's parser would spool the second to a file, which an instance cannot open.

Covered: a body that is anything else is refused; the capsule is not copied, and not searched for a boundary.
Not covered: what the parts say.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Iterator

from noghost.engine.capsule import MEDIA_TYPE
from noghost.errors import RequestError

FRAME_BYTES = 4096  # boundaries and the parts' headers
MOST_HEADER_BYTES = 1024
JSON = "application/json"
KIND = re.compile(r"multipart/(?:form-data|mixed)\s*;(.*)", re.IGNORECASE | re.DOTALL)
BOUNDARY = re.compile(r"""\s*boundary=("?)([0-9A-Za-z'()+_,./:=?-]{1,70})\1\s*""", re.IGNORECASE)


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a body of parts; None for another type of body. RequestError for one without a boundary."""
    if not content_type.lower().startswith("multipart/"):
        return None
    kind = KIND.fullmatch(content_type)
    found = BOUNDARY.fullmatch(kind[1]) if kind else None
    if not found:
        raise not_two_parts("it is not multipart/mixed or multipart/form-data with a boundary")
    return found[2].encode()


def split(body: bytearray, boundary: bytes) -> tuple[bytes, memoryview]:
    """(JSON, capsule) of a whole body; the capsule is a view of it. Raises RequestError."""
    opening, between, closing = b"--" + boundary + b"\r\n", b"\r\n--" + boundary + b"\r\n", b"\r\n--" + boundary + b"--"
    end = len(body) - 2 if body.endswith(b"\r\n") else len(body)
    middle = body.find(between)
    if not body.startswith(opening) or not body.endswith(closing, 0, end) or middle < 0:
        raise not_two_parts("its boundaries are not where they should be")
    first, second = (
        memoryview(body)[len(opening) : middle],
        memoryview(body)[middle + len(between) : end - len(closing)],
    )
    return content_of(first, JSON).tobytes(), content_of(second, MEDIA_TYPE)


def content_of(part: memoryview, media_type: str) -> memoryview:
    """What comes after the header of a part, which must say that it is `media_type`."""
    head, mark, _ = part[:MOST_HEADER_BYTES].tobytes().partition(b"\r\n\r\n")
    if not mark or media_type not in media_types(head):
        raise not_two_parts(f"it has two parts, {JSON} and then {MEDIA_TYPE}, each with its Content-Type")
    return part[len(head) + len(mark) :]


def media_types(head: bytes) -> Iterator[str]:
    """The Content-Type of a part, without parameters."""
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            yield value.partition(";")[0].strip().lower()


def not_two_parts(why: str) -> RequestError:
    """`why` is one of our own sentences."""
    message = f"this is not a request with a capsule: {why}; without one send content-type: {JSON}"
    return RequestError(message, code="invalid_parts")


class Mixed:
    """An answer of two parts under a boundary that nobody can guess."""

    def __init__(self) -> None:
        self._boundary = secrets.token_hex(16)
        self.media_type = f"multipart/mixed; boundary={self._boundary}"

    async def stream(
        self, media_type: str, first: AsyncIterator[bytes], second: AsyncIterator[tuple[int, AsyncIterator[bytes]]]
    ) -> AsyncIterator[bytes]:
        """The first part as it is made; the second, whose length is known when it begins, where there is one."""
        yield f"--{self._boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode()
        async for piece in first:
            yield piece
        async for length, pieces in second:
            head = f"--{self._boundary}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {length}\r\n\r\n"
            yield b"\r\n" + head.encode()
            async for piece in pieces:
                yield piece
        yield f"\r\n--{self._boundary}--\r\n".encode()
