"""A capsule: KV state and its tokens, sealed under a key that only the caller keeps (spec/capsule-v1.md). PURE.

Covered: who changes a bit, cuts it or has another key gets an error, and nothing of the plaintext is used before the
tag has been verified; a capsule of other weights, another build or other parameters is told apart from a forged one.
Not covered: what whoever has the key seals: state.py checks that; a capsule given back twice: it is the caller's.
Its length tells the number of its tokens.

Both ways work in pieces: the state is never copied as a whole, and opening writes the plaintext over the ciphertext.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from noghost.engine.origin import Origin, malformed
from noghost.errors import RequestError

MEDIA_TYPE = "application/vnd.noghost.capsule"
MAGIC = b"noghost-capsule/v1\n"
LABEL = b"noghost-capsule/v1 AES-256-GCM"
KEY_BYTES, NONCE_BYTES, TAG_BYTES, TOKEN_BYTES = 32, 12, 16, 4
CLEAR_BYTES = len(MAGIC) + NONCE_BYTES
FACTS = struct.Struct("<32s32sIIIII")
PIECE_BYTES = 1 << 18  # a piece costs 0.1 ms, in which the event loop waits
OVERHEAD_BYTES = CLEAR_BYTES + FACTS.size + TAG_BYTES


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it would hold content
class Opened:
    """The plaintext of a capsule whose tag was verified."""

    origin: Origin
    tokens: Sequence[int]
    state: memoryview  # writable, inside the buffer that was given


def sealed_bytes(tokens: int, state_bytes: int) -> int:
    """The length of a capsule."""
    return OVERHEAD_BYTES + TOKEN_BYTES * tokens + state_bytes


def seal(
    key: bytes, origin: Origin, tokens: Sequence[int], state: memoryview, nonce: bytes | None = None
) -> Iterator[bytes]:
    """The capsule in pieces. `nonce` is for vectors alone: one that is used twice under a key breaks both."""
    nonce = nonce or os.urandom(NONCE_BYTES)
    clear = MAGIC + nonce
    encryptor = Cipher(AES(derived(key)), GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(clear)
    yield clear
    yield encryptor.update(facts_of(origin, len(tokens)) + array("I", tokens).tobytes())
    for start in range(0, len(state), PIECE_BYTES):
        yield encryptor.update(state[start : start + PIECE_BYTES])
    yield encryptor.finalize() + encryptor.tag


def open_sealed(key: bytes, sealed: memoryview) -> Opened:
    """Verify and read a capsule; its plaintext takes the place of the ciphertext in `sealed`, which must be writable.

    Raises RequestError: `capsule_malformed` for what is no capsule, `capsule_not_opened` for what was changed, cut or
    sealed under another key (these cannot be told apart).
    """
    if len(sealed) < OVERHEAD_BYTES or sealed[: len(MAGIC)] != MAGIC:
        raise malformed("it does not begin as one, or is too short")
    clear, plain, tag = sealed[:CLEAR_BYTES], sealed[CLEAR_BYTES:-TAG_BYTES], sealed[-TAG_BYTES:]
    decryptor = Cipher(AES(derived(key)), GCM(clear[len(MAGIC) :].tobytes(), tag.tobytes())).decryptor()
    decryptor.authenticate_additional_data(clear.tobytes())
    decrypt_over(decryptor, plain)
    try:
        decryptor.finalize()
    except InvalidTag:
        raise RequestError(
            "the capsule cannot be opened: it was changed or cut, or its key is another one",
            code="capsule_not_opened",
        ) from None
    return read(plain)


def decrypt_over(decryptor: CipherContext, text: memoryview) -> None:
    """In place: OpenSSL's GCM may write over what it reads."""
    for start in range(0, len(text), PIECE_BYTES):
        piece = text[start : start + PIECE_BYTES]
        decryptor.update_into(piece, piece)


def read(plain: memoryview) -> Opened:
    """The fields of a verified plaintext."""
    *origin, count = FACTS.unpack_from(plain)
    end = FACTS.size + TOKEN_BYTES * count
    if not count or len(plain) <= end:
        raise malformed("its count of tokens does not fit its length")
    return Opened(Origin(*origin), array("I", plain[FACTS.size : end].tobytes()), plain[end:])


def facts_of(origin: Origin, tokens: int) -> bytes:
    """The fixed part of the plaintext."""
    return FACTS.pack(
        origin.weights,
        origin.build,
        origin.k_type,
        origin.v_type,
        origin.flash_attention,
        origin.long_context,
        tokens,
    )


def derived(key: bytes) -> bytes:
    """The caller's key is used for nothing but this: another format with the same key has another one."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=LABEL).derive(key)
