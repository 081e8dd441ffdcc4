"""Two parts on the wire, from the caller's side: an answer's text and its capsule as they arrive, a request with both.

Covered: the bounds of both parts; a stream that breaks off has no capsule. Not covered: what the capsule holds, which
nobody reads here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import chain

from noghost.errors import HuntError

CAPSULE = "application/vnd.noghost.capsule"
MOST_HEADER_BYTES = 4096
PIECE_BYTES = 1 << 18


class Answer:
    """A body in two parts: `lines` yields those of the first as they come; `capsule` has the second afterwards."""

    def __init__(self, content_type: str, pieces: Iterator[bytes]) -> None:
        self.capsule: bytes | None = None
        self._pieces = pieces
        self._held = bytearray()
        self._mark = boundary_of(content_type)

    def lines(self) -> Iterator[bytes]:
        """Lines without their ends. Raises HuntError for a body that is not what its header says."""
        if self._mark is not None:
            self._take_until(b"\r\n\r\n")
        while (line := self._line()) is not None:
            if self._mark is not None and line.rstrip(b"\r") == self._mark:
                self._take_capsule()
                return
            yield line.rstrip(b"\r")

    def _line(self) -> bytes | None:
        while b"\n" not in self._held:
            if not self._more():
                rest = bytes(self._held)
                self._held.clear()
                return rest or None
        return self._take(self._held.index(b"\n") + 1)[:-1]

    def _take_capsule(self) -> None:
        head = self._take_until(b"\r\n\r\n").decode("latin-1").lower()
        lengths = [line.partition(":")[2] for line in head.split("\r\n") if line.startswith("content-length:")]
        if CAPSULE not in head or not lengths:
            raise HuntError("the second part of the answer is not a capsule", "is the service of another release?")
        length = int(lengths[0])
        while len(self._held) < length:
            if not self._more():
                return
        self.capsule = self._take(length)

    def _take_until(self, mark: bytes) -> bytes:
        while (found := self._held.find(mark)) < 0:
            if len(self._held) > MOST_HEADER_BYTES or not self._more():
                raise HuntError("the answer has no parts, though its header says so", "is something in between?")
        return self._take(found + len(mark))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def _more(self) -> bool:
        piece = next(self._pieces, b"")
        self._held += piece
        return bool(piece)


def boundary_of(content_type: str) -> bytes | None:
    """The line between the parts; None for a body that is one."""
    kind, _, rest = content_type.partition(";")
    if kind.strip().lower() != "multipart/mixed":
        return None
    return b"--" + rest.partition("boundary=")[2].strip('" ').encode()


def two_parts(body: bytes, capsule: bytes) -> tuple[str, int, Iterator[bytes]]:
    """(content type, length, pieces) of a request that brings a capsule.

    In pieces, because httpcore copies what is left of one after each send: 93 MB as one took seconds.
    """
    boundary = secrets.token_hex(16)
    mark = f"--{boundary}\r\n"
    head = f"{mark}Content-Type: application/json\r\n\r\n".encode() + body
    head += f"\r\n{mark}Content-Type: {CAPSULE}\r\n\r\n".encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    cut = (capsule[at : at + PIECE_BYTES] for at in range(0, len(capsule), PIECE_BYTES))
    return f"multipart/mixed; boundary={boundary}", len(head) + len(capsule) + len(tail), chain([head], cut, [tail])
