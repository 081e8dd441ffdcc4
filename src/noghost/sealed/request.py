"""The one request of a sealed invocation: sealed to the key of an instance, opened there. PURE; in caller and instance.

Covered: only who has the private key reads it (HPKE, RFC 9180, base mode); it fits one opening, so one instance; one
key opens one request, then it is gone.
Not covered: who the caller is, which the request's own API key says; the length of the request.

Keys are made by the binding under `cryptography`'s x25519 module, as its hpke module is: that one's own functions would
import all its kinds of keys, 0.45 MB of the warden's memory (P4).
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from noghost.errors import SealedError
from noghost.sealed.records import SECRET_BYTES, Opener, Sealer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

INFO = b"noghost-sealed/v1 request"
OVERHEAD_BYTES = 32 + SECRET_BYTES + 16  # encapsulated key, secret, tag


def suite() -> Suite:
    """DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def info_of(opening: bytes) -> bytes:
    """What binds a request to one opening."""
    return INFO + sha256(opening).digest()


def seal(request: bytes, public: bytes, opening: bytes) -> tuple[bytes, Opener]:
    """(the sealed request, what opens its answer); SealedError for a key that is none."""
    secret = os.urandom(SECRET_BYTES)
    try:
        sealed = suite().encrypt(secret + request, openssl.x25519.from_public_bytes(public), info_of(opening))
    except ValueError:  # a point of low order
        raise SealedError("the service's opening has no usable key", code="not_opened") from None
    return sealed, Opener(secret, sealed)


class OneTimeKey:
    """Made by an instance after its birth; opens one request. Its private half is in no repr."""

    def __init__(self, private: X25519PrivateKey | None = None) -> None:
        self._private: X25519PrivateKey | None = private or openssl.x25519.generate_key()
        self.public = self._private.public_key().public_bytes_raw()

    def open(self, sealed: bytes, opening: bytes) -> tuple[bytes, Sealer]:
        """(the request, what seals its answer). Raises SealedError `not_opened` or, the second time, `key_used`."""
        if self._private is None:
            raise SealedError("this key has opened a request already", "open an invocation of its own", code="key_used")
        private, self._private = self._private, None
        try:
            plain = suite().decrypt(sealed, private, info_of(opening))
        except (InvalidTag, ValueError):
            plain = b""
        if len(plain) < SECRET_BYTES:
            hint = "seal it to the key of this connection's own opening"
            raise SealedError(
                "the request cannot be opened: changed, cut or sealed to another key", hint, code="not_opened"
            )
        return plain[SECRET_BYTES:], Sealer(plain[:SECRET_BYTES], sealed)
