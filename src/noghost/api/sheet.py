"""A page of fixed parts: files mapped in the warden, before fork, and sent part by part in an instance.

The files are mapped and not read: they are the page cache's, and instances, which open no file, find them.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from starlette.types import Receive, Scope, Send

LEVEL = 4  # of zlib: a third of the bytes in 3 ms

Headers = list[tuple[bytes, bytes]]


class Sheet:
    """An ASGI app that answers with it, compressed where the caller takes that."""

    def __init__(self, headers: Headers, pieces: Callable[[], Iterable[bytes]]) -> None:
        self.headers = [*headers, (b"vary", b"accept-encoding")]
        self._length = (b"content-length", b"%d" % sum(len(piece) for piece in pieces()))
        self._pieces = pieces

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """In an instance."""
        headers, pieces = [*self.headers, self._length], self._pieces()
        if any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"]):
            headers, pieces = [*self.headers, (b"content-encoding", b"gzip")], packed(pieces)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def mapped(path: Path) -> mmap.mmap:
    """A file's bytes, read-only; none of them in memory of this process's own."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same, as gzip."""
    compressor = zlib.compressobj(LEVEL, wbits=31)  # 16 + 15: with gzip's header
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()
