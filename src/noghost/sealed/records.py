"""The answer of a sealed invocation: numbered records, the last of them marked. PURE; in instance and caller.

Covered: a record that was changed, left out, repeated, moved or taken from another answer; an end that comes before
the last record; anything after it.
Not covered: the sizes and the times of records, unless the service pads.
"""

from __future__ import annotations

import struct
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from noghost.errors import SealedError

SECRET_BYTES = 32
RECORD_BYTES = 1 << 16  # of plaintext, at most
HEAD = struct.Struct(">IB")  # number, flag
MORE, LAST = 0, 1
NONCE = struct.Struct(">8xI")
TAG_BYTES = 16
MOST_BYTES = HEAD.size + RECORD_BYTES + TAG_BYTES
LABEL = b"noghost-sealed/v1 answer"


def key_of(secret: bytes, sealed_request: bytes) -> AESGCM:
    """Of the answer to exactly this request."""
    info = LABEL + sha256(sealed_request).digest()
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret))


class Sealer:
    """The instance's end."""

    def __init__(self, secret: bytes, sealed_request: bytes) -> None:
        self._key = key_of(secret, sealed_request)
        self._number = 0

    def seal(self, data: bytes, *, last: bool = False) -> bytes:
        """One record of at most RECORD_BYTES."""
        assert len(data) <= RECORD_BYTES
        head = HEAD.pack(self._number, LAST if last else MORE)
        record = head + self._key.encrypt(NONCE.pack(self._number), data, head)
        self._number += 1
        return record


class Opener:
    """The caller's end. `ended`: the last record was here."""

    def __init__(self, secret: bytes, sealed_request: bytes) -> None:
        self._key = key_of(secret, sealed_request)
        self._number = 0
        self.ended = False

    def open(self, record: bytes) -> bytes:
        """What is in the next record. Raises SealedError: `record_malformed`, `record_order` or `record_changed`."""
        if self.ended or not HEAD.size + TAG_BYTES <= len(record) <= MOST_BYTES:
            raise wrong("it comes after the last, or is none", "record_malformed")
        number, flag = HEAD.unpack_from(record)
        if number != self._number:
            raise wrong(f"number {number} came where {self._number} was due", "record_order")
        try:
            data = self._key.decrypt(NONCE.pack(number), record[HEAD.size :], record[: HEAD.size])
        except InvalidTag:
            raise wrong("it was changed, or is of another answer", "record_changed") from None
        if flag not in (MORE, LAST):
            raise wrong("its flag is none", "record_malformed")
        self._number += 1
        self.ended = flag == LAST
        return data

    def end(self) -> None:
        """The connection has ended: SealedError `truncated` unless the last record was here."""
        if not self.ended:
            raise SealedError("the sealed answer was cut off before its last record", "ask again", code="truncated")


def wrong(reason: str, code: str) -> SealedError:
    """A record that is not the next one."""
    return SealedError(
        f"a record of the sealed answer does not hold: {reason}", "somebody in between changed it", code=code
    )
