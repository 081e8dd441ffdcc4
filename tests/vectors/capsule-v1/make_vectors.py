"""Make the vector files again: `python tests/vectors/capsule-v1/make_vectors.py DIRECTORY`.

Everything is deterministic (fixed keys, fixed nonces), and a test compares the files with a fresh run. The state is of
a model that does not exist: two layers, rows of 8 bytes.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from noghost.engine.capsule import MAGIC, derived, facts_of, seal
from noghost.engine.origin import Origin
from noghost.engine.state import CELL, KIND, ROWS, StateShape

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
ORIGIN = Origin(bytes.fromhex("11" * 32), bytes.fromhex("22" * 32), 1, 1, 1, 0)
SHAPE = StateShape(bytes.fromhex("d83c14af0000000001000000"), layers=2, type=1, k_row_bytes=8, v_row_bytes=8)
TOKENS = (1, 4093, 198)


def state(count: int, shape: StateShape = SHAPE, value: int = 0x3C) -> bytes:
    """As llama.cpp writes it; every K and V value is 1.0 unless `value` says otherwise."""
    cells = b"".join(CELL.pack(position, 1, 0) for position in range(count))
    rows = b"".join(
        ROWS.pack(shape.type, row_bytes) + bytes((0, value)) * (count * row_bytes // 2)
        for row_bytes in [shape.k_row_bytes] * shape.layers + [shape.v_row_bytes] * shape.layers
    )
    return shape.head + struct.pack("<I", count) + cells + KIND.pack(0, shape.layers) + rows


def sealed(plain: bytes, nonce: bytes, magic: bytes = MAGIC, key: bytes = KEY) -> bytes:
    """Any plaintext, with a tag that is right: what whoever has the key can make."""
    return magic + nonce + AESGCM(derived(key)).encrypt(nonce, plain, magic + nonce)


def plain(
    origin: Origin = ORIGIN, tokens: tuple[int, ...] = TOKENS, body: bytes | None = None, count: int | None = None
) -> bytes:
    ids = struct.pack(f"<{len(tokens)}I", *tokens)
    return (
        facts_of(origin, len(tokens) if count is None else count) + ids + (state(len(tokens)) if body is None else body)
    )


def changed(at: int, new: bytes) -> bytes:
    """The right state with some bytes changed."""
    right = state(len(TOKENS))
    assert right[at : at + len(new)] != new
    return right[:at] + new + right[at + len(new) :]


def good() -> Iterator[tuple[str, bytes]]:
    for name, tokens, nonce in (("three-tokens", TOKENS, 1), ("one-token", TOKENS[:1], 2)):
        pieces = seal(KEY, ORIGIN, tokens, memoryview(state(len(tokens))), nonce.to_bytes(12, "big"))
        yield name, b"".join(pieces)


def bad() -> Iterator[tuple[str, str, bytes]]:
    """(name, code, file): each is one change to the right one, named after the change."""
    right = dict(good())["three-tokens"]
    start = len(MAGIC)
    for name, at in (("nonce", start), ("facts", start + 12), ("token", start + 12 + 84), ("tag", len(right) - 1)):
        yield f"{name}-changed", "capsule_not_opened", right[:at] + bytes((right[at] ^ 1,)) + right[at + 1 :]
    yield "last-byte-missing", "capsule_not_opened", right[:-1]
    yield "last-row-missing", "capsule_not_opened", right[:-24]
    yield "byte-after-the-end", "capsule_not_opened", right + b"\0"
    yield "halves-of-two", "capsule_not_opened", right[:-100] + dict(good())["one-token"][-100:]
    yield "another-key", "capsule_not_opened", sealed(plain(), bytes(12), key=OTHER_KEY)
    yield "another-version", "capsule_malformed", sealed(plain(), bytes(12), magic=b"noghost-capsule/v2\n")
    yield "header-alone", "capsule_malformed", right[:31]
    yield "empty", "capsule_malformed", b""
    for number, (name, code, text) in enumerate(forged(), 16):
        yield name, code, sealed(text, number.to_bytes(12, "big"))


def forged() -> Iterator[tuple[str, str, bytes]]:
    """Plaintexts that whoever has the key can seal."""
    flipped = bytes.fromhex("33" * 32)
    for field, value in (("weights", flipped), ("build", flipped), ("k_type", 8), ("v_type", 8)):
        yield f"{field.replace('_', '-')}-of-another", "capsule_mismatch", plain(replace(ORIGIN, **{field: value}))
    yield "without-flash-attention", "capsule_mismatch", plain(replace(ORIGIN, flash_attention=0))
    yield "of-a-long-context", "capsule_mismatch", plain(replace(ORIGIN, long_context=1))
    yield "no-tokens", "capsule_malformed", plain(tokens=(), body=state(0))
    yield "more-tokens-than-bytes", "capsule_malformed", plain(count=2**32 - 1)
    yield "one-token-more-than-cells", "capsule_malformed", plain(tokens=(*TOKENS, 5), body=state(3))
    yield "one-token-less-than-cells", "capsule_malformed", plain(tokens=TOKENS[:2], body=state(3))
    yield "no-state", "capsule_malformed", plain(body=b"")
    yield "state-cut", "capsule_malformed", plain(body=state(3)[:-1])
    yield "state-with-a-tail", "capsule_malformed", plain(body=state(3) + bytes(8))
    cells, kind = 16, 16 + 3 * CELL.size
    rows = kind + KIND.size
    word = struct.Struct("<I").pack
    changes = {
        "state-of-another-magic": (0, word(1)),
        "state-of-two-streams": (8, word(2)),
        "state-with-more-cells-than-it-has": (12, word(2**32 - 1)),
        "state-with-fewer-cells": (12, word(2)),
        "position-twice": (cells + CELL.size, word(0)),
        "position-negative": (cells, struct.pack("<i", -1)),
        "position-far-away": (cells + 2 * CELL.size, word(2**31 - 1)),
        "cell-of-many-sequences": (cells + 4, word(2**31)),
        "cell-of-another-sequence": (cells + 8, word(1)),
        "values-transposed": (kind, word(1)),
        "more-layers": (kind + 4, word(3)),
        "row-of-another-type": (rows, word(0)),
        "row-longer": (rows + 4, struct.pack("<Q", 2**63)),
        "last-row-shorter": (len(state(3)) - 24 - 8, struct.pack("<Q", 4)),
    }
    for name, (at, new) in changes.items():
        yield name, "capsule_malformed", plain(body=changed(at, new))
    yield "value-infinite", "capsule_malformed", plain(body=changed(rows + ROWS.size, bytes((0, 0x7C))))
    yield "value-not-a-number", "capsule_malformed", plain(body=changed(len(state(3)) - 2, bytes((1, 0xFE))))


def make(directory: Path) -> None:
    """Write every vector and `index.json`, which says what each must give."""
    index = []
    for name, data in good():
        index.append({"file": f"good/{name}.capsule", "expect": "ok", "bytes": len(data)})
        write(directory, index[-1]["file"], data)
    for name, code, data in bad():
        index.append({"file": f"bad/{name}.capsule", "expect": code, "bytes": len(data)})
        write(directory, index[-1]["file"], data)
    here = {
        "key": KEY.hex(),
        "origin": {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(ORIGIN).items()},
        "shape": asdict(SHAPE) | {"head": SHAPE.head.hex()},
        "tokens": TOKENS,
    }
    (directory / "index.json").write_text(json.dumps(here | {"vectors": index}, indent=1) + "\n")


def write(directory: Path, name: object, data: bytes) -> None:
    path = directory / str(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
