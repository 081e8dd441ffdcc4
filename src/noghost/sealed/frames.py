"""WebSocket messages (RFC 6455): as much of it as carries sealed ones. PURE; in instance and caller.

wsproto does all of it, and would be 2 MB of the warden's memory (P4): this has messages of one kind, pings and the
end, and takes anything else for an error. What is carried is sealed, so that nothing rests on this but that it fails
clearly. `noghost talk` has its half of a conversation by it, as text.

Covered: a message over its limit, before it is kept; a frame of a form that is not ours.
Not covered: what a message says; the handshake, which is HTTP.
"""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Iterator
from hashlib import sha1

from noghost.errors import SealedError

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
MORE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, MASKED, RESERVED = 0x80, 0x80, 0x70
CONTROL_BYTES = 125  # a control frame's most, RFC 6455, 5.5
DONE = 1000  # RFC 6455, 7.4.1
CODES = {"not_opened": 4400, "frame_malformed": 4400, "timeout": 4408, "key_used": 4409, "too_large": 4413}


def accept_of(key: bytes) -> bytes:
    """The answer to Sec-WebSocket-Key."""
    return base64.b64encode(sha1(key + GUID, usedforsecurity=False).digest())


def xored(data: bytes, mask: bytes) -> bytes:
    """Masked, or unmasked: as one number, which takes 4 MiB in some milliseconds."""
    pad = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(data), "big")


def frame(kind: int, data: bytes, *, masks: bool) -> bytes:
    """One whole frame; `masks`: it is the caller's."""
    length, bit = len(data), MASKED if masks else 0
    if length <= CONTROL_BYTES:
        head = struct.pack(">BB", FIN | kind, bit | length)
    elif length < 1 << 16:
        head = struct.pack(">BBH", FIN | kind, bit | 126, length)
    else:
        head = struct.pack(">BBQ", FIN | kind, bit | 127, length)
    if not masks:
        return head + data
    mask = os.urandom(4)
    return head + mask + xored(data, mask)


def close(code: int, reason: str = "", *, masks: bool) -> bytes:
    """The frame that ends it."""
    return frame(CLOSE, struct.pack(">H", code) + reason.encode()[: CONTROL_BYTES - 2], masks=masks)


class Frames:
    """What arrives at one end, messages of the kind `carries`. `masked`: it is the instance's, to whom callers mask."""

    def __init__(self, most_bytes: int, *, masked: bool, carries: int = BINARY) -> None:
        self.most_bytes = most_bytes
        self._carries = carries
        self.closed: tuple[int, str] | None = None  # code and reason that the other side gave
        self.pings: list[bytes] = []  # to be answered
        self._masked = masked
        self._held = bytearray()
        self._parts: list[bytes] | None = None

    def take(self, data: bytes) -> Iterator[bytes]:
        """The whole messages that are here now. Raises SealedError: `frame_malformed`, `too_large`."""
        self._held += data
        while self.closed is None and (found := self._frame()) is not None:
            head, payload = found
            if (message := self._message(head, payload)) is not None:
                yield message

    def _frame(self) -> tuple[int, bytes] | None:
        """(first byte, payload) of the next frame, once it is whole."""
        held = self._held
        if len(held) < 2:
            return None
        length, at = held[1] & 0x7F, 2
        if bool(held[1] & MASKED) != self._masked or held[0] & RESERVED:
            raise malformed()
        if length >= 126:
            form = ">H" if length == 126 else ">Q"
            at += struct.calcsize(form)
            if len(held) < at:
                return None
            (length,) = struct.unpack_from(form, held, 2)
        if length + sum(map(len, self._parts or ())) > self.most_bytes:
            raise SealedError("a message is over the limit", code="too_large")
        end = at + 4 * self._masked + length
        if len(held) < end:
            return None
        payload = bytes(held[end - length : end])
        if self._masked:
            payload = xored(payload, bytes(held[at : at + 4]))
        head = held[0]
        del held[:end]
        return head, payload

    def _message(self, head: int, payload: bytes) -> bytes | None:
        kind, last = head & 0x0F, bool(head & FIN)
        if kind in (CLOSE, PING, PONG):
            self._control(kind, payload, last)
            return None
        if (kind, self._parts is None) not in ((self._carries, True), (MORE, False)):
            raise malformed()
        parts = [*(self._parts or ()), payload]
        self._parts = None if last else parts
        return b"".join(parts) if last else None

    def _control(self, kind: int, payload: bytes, last: bool) -> None:
        if not last or len(payload) > CONTROL_BYTES or (kind == CLOSE and len(payload) == 1):
            raise malformed()
        if kind == CLOSE:
            code = struct.unpack_from(">H", payload)[0] if payload else DONE
            self.closed = code, payload[2:].decode("utf-8", "replace")
        elif kind == PING:
            self.pings.append(payload)


def malformed() -> SealedError:
    """Of no form that is carried here."""
    return SealedError("this is no frame of a sealed invocation: binary WebSocket messages are", code="frame_malformed")
