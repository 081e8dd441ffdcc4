"""Make the vector files again: `python tests/vectors/sealed-v1/make_vectors.py DIRECTORY`.

Everything is deterministic (fixed keys), and a test compares the files with a fresh run. The caller's side is written
here from spec/sealed-v1.md and RFC 9180 on its own: it uses nothing of noghost's but the service's signature.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from noghost.ledger.keys import Signer
from noghost.ledger.statement import Statement

SIGNER = Signer("noghost.local/vectors", bytes(range(32)))
OTHER_SIGNER = Signer("noghost.local/other", bytes(range(1, 33)))
INSTANCE, EPHEMERAL, OTHER = (X25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
SECRET = bytes(range(64, 96))
REQUEST = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"
PIECES = (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", b'{"status":"ok"}', b"")
OPENING = Statement(
    "00" * 15 + "01", INSTANCE.public_key().public_bytes_raw(), "0.1.0", "22" * 32, "33" * 32, ("11" * 32,)
)
KEM_SUITE = b"KEM" + struct.pack(">H", 0x0020)
SUITE = b"HPKE" + struct.pack(">HHH", 0x0020, 0x0001, 0x0002)


def extract(salt: bytes, label: bytes, ikm: bytes, suite: bytes) -> bytes:
    """LabeledExtract, RFC 9180, 4."""
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(key: bytes, label: bytes, info: bytes, length: int, suite: bytes) -> bytes:
    """LabeledExpand, RFC 9180, 4: of at most one block."""
    labelled = struct.pack(">H", length) + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labelled + b"\1", "sha256")[:length]


def hpke(plain: bytes, public: X25519PublicKey, info: bytes) -> bytes:
    """Base mode, single shot, with a fixed ephemeral key; RFC 9180, 4.1, 5.1 and 6.1."""
    enc, to = EPHEMERAL.public_key().public_bytes_raw(), public.public_bytes_raw()
    eae = extract(b"", b"eae_prk", EPHEMERAL.exchange(public), KEM_SUITE)
    shared = expand(eae, b"shared_secret", enc + to, 32, KEM_SUITE)
    context = b"\0" + extract(b"", b"psk_id_hash", b"", SUITE) + extract(b"", b"info_hash", info, SUITE)
    secret = extract(shared, b"secret", b"", SUITE)
    key, nonce = expand(secret, b"key", context, 32, SUITE), expand(secret, b"base_nonce", context, 12, SUITE)
    return enc + AESGCM(key).encrypt(nonce, plain, b"")


def request_of(opening: bytes, public: X25519PublicKey | None = None, plain: bytes = SECRET + REQUEST) -> bytes:
    info = b"noghost-sealed/v1 request" + hashlib.sha256(opening).digest()
    return hpke(plain, public or INSTANCE.public_key(), info)


def record(request: bytes, number: int, flag: int, data: bytes) -> bytes:
    info = b"noghost-sealed/v1 answer" + hashlib.sha256(request).digest()
    key = hmac.digest(hmac.digest(bytes(32), SECRET, "sha256"), info + b"\1", "sha256")  # RFC 5869
    head = struct.pack(">IB", number, flag)
    return head + AESGCM(key).encrypt(bytes(8) + struct.pack(">I", number), data, head)


def exchange(opening: bytes, request: bytes | None = None, records: list[bytes] | None = None) -> dict[str, Any]:
    request = request_of(opening) if request is None else request
    if records is None:
        records = [record(request, n, int(n == len(PIECES) - 1), piece) for n, piece in enumerate(PIECES)]
    return {"opening": opening.hex(), "request": request.hex(), "records": [one.hex() for one in records]}


def good() -> Iterator[tuple[str, dict[str, Any]]]:
    opening = OPENING.sign(SIGNER).encode()
    yield "one-model", exchange(opening)
    request = request_of(opening)
    yield "one-record", exchange(opening, request, [record(request, 0, 1, b"".join(PIECES))])
    many = Statement(OPENING.id, OPENING.public, "0.1.0", "22" * 32, "33" * 32, ("11" * 32, "remote/api.example.org"))
    yield "two-models", exchange(many.sign(SIGNER).encode())


def flipped(data: bytes, at: int = -1) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + (data[at + 1 :] if at != -1 else b"")


def bad() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, the word or "opening", exchange)."""
    opening = OPENING.sign(SIGNER).encode()
    request = request_of(opening)
    first, second, last = (bytes.fromhex(one) for one in exchange(opening)["records"])
    line, _, note = opening.partition(b"\n")
    for name, changed in (
        ("opening-other-id", opening.replace(b"id 0000", b"id 1000")),
        ("opening-other-key", opening.replace(b"key a4e0", b"key a5e0")),
        ("opening-other-weights", opening.replace(b"weights 11", b"weights 12")),
        ("opening-other-signer", OPENING.sign(OTHER_SIGNER).encode()),
        ("opening-vkey-of-another", OTHER_SIGNER.verifier.render().join(("vkey ", "\n")).encode() + note),
        ("opening-without-vkey", note),
        ("opening-cut", opening[:-9]),
        ("opening-lines-swapped", line + b"\n" + note.replace(b"noghost-sealed/v1\nid", b"id\nnoghost-sealed/v1", 1)),
        ("opening-garbage", b"\xff" * 80),
        ("opening-empty", b""),
    ):
        assert changed != opening
        yield name, "opening", exchange(opening) | {"opening": changed.hex()}
    for name, wrong in (
        ("request-other-key", request_of(opening, OTHER.public_key())),
        ("request-other-opening", request_of(flipped(opening))),
        ("request-changed", flipped(request)),
        ("request-enc-changed", flipped(request, 3)),
        ("request-enc-zero", bytes(32) + request[32:]),
        ("request-cut", request[:-1]),
        ("request-without-secret", request_of(opening, plain=SECRET[:31])),
        ("request-unsealed", REQUEST),
        ("request-empty", b""),
    ):
        yield name, "not_opened", exchange(opening, wrong, [])
    for name, word, records in (
        ("record-changed", "record_changed", [first, flipped(second), last]),
        ("record-replayed", "record_order", [first, first, second, last]),
        ("record-left-out", "record_order", [first, last]),
        ("record-reordered", "record_order", [second, first, last]),
        ("record-renumbered", "record_changed", [first, b"\0\0\0\1" + last[4:]]),
        ("record-made-last", "record_changed", [first, second[:4] + b"\1" + second[5:]]),
        ("record-not-last", "record_changed", [first, second, last[:4] + b"\0" + last[5:]]),
        ("record-flag-2", "record_malformed", [first, record(request, 1, 2, PIECES[1]), last]),
        ("record-after-last", "record_malformed", [first, second, last, record(request, 3, 0, b"more")]),
        ("record-short", "record_malformed", [first[:20]]),
        ("record-of-another-answer", "record_changed", [record(flipped(request), 0, 0, PIECES[0])]),
        ("records-cut", "truncated", [first, second]),
        ("records-none", "truncated", []),
    ):
        yield name, word, exchange(opening, request, records)


def make(directory: Path) -> None:
    vectors = []
    for name, told in good():
        write(directory / "good" / f"{name}.json", told)
        vectors.append({"file": f"good/{name}.json", "expect": "ok"})
    for name, word, told in bad():
        write(directory / "bad" / f"{name}.json", told)
        vectors.append({"file": f"bad/{name}.json", "expect": word})
    index = {
        "vkey": SIGNER.verifier.render(),
        "private": INSTANCE.private_bytes_raw().hex(),
        "secret": SECRET.hex(),
        "request": REQUEST.decode(),
        "answer": b"".join(PIECES).decode(),
        "vectors": vectors,
    }
    write(directory / "index.json", index)


def write(path: Path, told: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
