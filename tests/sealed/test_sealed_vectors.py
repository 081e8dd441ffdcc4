"""Sealed invocations: the vectors, whose caller is written from the specification alone."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from noghost.errors import LedgerError, SealedError
from noghost.ledger.statement import verify
from noghost.sealed.records import Opener
from noghost.sealed.request import OneTimeKey, seal

VECTORS = Path(__file__).parents[1] / "vectors" / "sealed-v1"
SPEC = VECTORS.parents[2] / "spec" / "sealed-v1.md"
INDEX = json.loads((VECTORS / "index.json").read_text())
CASES = {case["file"]: case["expect"] for case in INDEX["vectors"]}


def read(name: str) -> tuple[bytes, bytes, list[bytes]]:
    told = json.loads((VECTORS / name).read_text())
    return bytes.fromhex(told["opening"]), bytes.fromhex(told["request"]), [bytes.fromhex(r) for r in told["records"]]


def go_through(opening: bytes, request: bytes, records: list[bytes]) -> tuple[bytes, bytes]:
    """(request, answer), as the instance opens the one and the caller the other."""
    stated = verify(opening)
    if stated.verifier.render() != INDEX["vkey"]:
        raise LedgerError("another key than the one that is known")
    key = OneTimeKey(X25519PrivateKey.from_private_bytes(bytes.fromhex(INDEX["private"])))
    assert key.public == stated.statement.public
    asked, _ = key.open(request, opening)
    opener = Opener(bytes.fromhex(INDEX["secret"]), request)
    answer = b"".join(map(opener.open, records))
    opener.end()
    return asked, answer


@pytest.mark.parametrize("name", CASES)
def test_vectors(name: str) -> None:
    if CASES[name] == "ok":
        assert go_through(*read(name)) == (INDEX["request"].encode(), INDEX["answer"].encode())
    elif CASES[name] == "opening":
        with pytest.raises(LedgerError):
            go_through(*read(name))
    else:
        with pytest.raises(SealedError) as caught:
            go_through(*read(name))
        assert caught.value.code == CASES[name]


def test_the_vectors_can_be_made_again(tmp_path: Path) -> None:
    runpy.run_path(str(VECTORS / "make_vectors.py"))["make"](tmp_path)
    made = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert made.keys() == {*CASES, "index.json"}
    assert all((VECTORS / name).read_bytes() == data for name, data in made.items())
    assert {str(path.relative_to(VECTORS)) for path in VECTORS.glob("*/*.json")} == set(CASES)


def test_the_example_in_the_specification_is_a_vector() -> None:
    opening, request, records = read("good/one-model.json")
    spec = SPEC.read_text()
    assert opening.decode() in spec
    assert all(one.hex() in spec.replace("\n", "").replace(" ", "") for one in (request, *records))


def test_every_flipped_bit_of_a_record_and_of_a_request_is_found() -> None:
    opening, request, records = read("good/one-model.json")
    for at in range(len(request)):
        with pytest.raises(SealedError):
            go_through(opening, flipped(request, at), records)
    for at in range(len(records[1])):
        with pytest.raises(SealedError):
            go_through(opening, request, [records[0], flipped(records[1], at), records[2]])


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_key_opens_one_request() -> None:
    opening = b"any"
    key = OneTimeKey()
    sealed, _ = seal(b"GET / HTTP/1.1\r\n\r\n", key.public, opening)
    assert key.open(sealed, opening)[0] == b"GET / HTTP/1.1\r\n\r\n"
    with pytest.raises(SealedError) as caught:
        key.open(sealed, opening)
    assert caught.value.code == "key_used"


def test_a_key_of_low_order_is_refused() -> None:
    with pytest.raises(SealedError):
        seal(b"", bytes(32), b"any")


def test_no_repr_holds_a_secret_or_content() -> None:
    key = OneTimeKey()
    sealed, opener = seal(b"a marker", key.public, b"any")
    asked, sealer = key.open(sealed, b"any")
    assert asked == b"a marker"
    assert not any("marker" in repr(one) or "_key" in repr(one) for one in (key, opener, sealer))
