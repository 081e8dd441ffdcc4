"""Receipts: the vectors, every flipped byte, and a second verifier written from the specification."""

from __future__ import annotations

import json
import runpy
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.samples import VECTORS, birth, end, fill, number_id
from noghost.errors import LedgerError, VerificationError
from noghost.ledger import checkpoint
from noghost.ledger.keys import Verifier
from noghost.ledger.receipt import Consistency, Receipt
from noghost.ledger.store import Ledger

INDEX = json.loads((VECTORS / "index.json").read_text())
CASES = INDEX["vectors"]


def read_vector(name: str) -> str:
    return (VECTORS / name).read_bytes().decode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values()))[:60])
def test_vectors(case: dict[str, str]) -> None:
    vkey = case.get("vkey", INDEX["vkey"])
    seen = case.get("seen")
    known = checkpoint.verify(read_vector(seen), Verifier.parse(INDEX["vkey"])) if seen else None
    if case["expect"] == "ok":
        receipt = Receipt.parse(read_vector(case["file"]))
        assert receipt.verify(vkey, known).since == case.get("since", "first")
        assert receipt.render() == read_vector(case["file"])
    else:
        with pytest.raises(LedgerError):
            Receipt.parse(read_vector(case["file"])).verify(vkey, known)


def test_every_vector_file_is_in_the_index() -> None:
    files = {str(path.relative_to(VECTORS)) for path in VECTORS.glob("*/*.txt")}
    assert files == {case["file"] for case in CASES}
    assert sum(name.startswith("bad/") for name in files) >= 20


def test_the_vectors_can_be_made_again(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    runpy.run_path(str(VECTORS / "make_vectors.py"))["make"](made, tmp_path / "scratch")
    files = [path for path in made.rglob("*") if path.is_file()]
    assert len(files) == len({case["file"] for case in CASES}) + 3
    for path in files:
        assert path.read_bytes() == (VECTORS / path.relative_to(made)).read_bytes(), path.name


def test_the_example_in_the_specification_is_a_vector() -> None:
    spec = (VECTORS.parents[2] / "spec" / "receipt-v1.md").read_text()
    assert spec.split("```\n")[1] == read_vector("good/grown.txt")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["good/grown.txt", "good/lost.txt"])
def test_every_flipped_byte_is_detected(name: str) -> None:
    data = (VECTORS / name).read_bytes()
    Receipt.parse(data.decode()).verify()
    missed = []
    for at in range(len(data)):
        for mask in (0x01, 0x20, 0x80):
            flipped = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
            try:
                Receipt.parse(flipped.decode()).verify()
            except (LedgerError, UnicodeDecodeError):
                continue
            missed.append((at, mask))
    assert missed == []


@pytest.mark.parametrize("name", ["good/grown.txt", "good/lost.txt"])
def test_every_cut_is_detected(name: str) -> None:
    text = read_vector(name)
    whole_without_growth = text.partition("=== consistency")[0]
    whole_without_end = text.partition("=== closed")[0].partition("=== lost")[0]
    for at in range(len(text)):
        if text[:at] in (whole_without_growth, whole_without_end):
            continue
        with pytest.raises(LedgerError):
            Receipt.parse(text[:at]).verify()


def test_a_verifier_written_from_the_specification_agrees(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger") as ledger:
        fill(ledger, 300)
        ledger.append(end(7))
        fill(ledger, 21, first=1000)
        text = ledger.receipt(number_id(7)).render()
    head, *sections = text.split("=== ")
    public = b64decode(head.split("+", 2)[2])[1:]
    assert [section.partition("\n")[0] for section in sections] == ["opened", "proof", "closed", "proof"]
    for entry, proof in zip(sections[::2], sections[1::2], strict=True):
        digest = sha256(b"\0" + entry.partition("\n")[2].encode()).digest()
        top, body, signature = proof.removeprefix("proof\n").split("\n\n")
        _, index_line, *hashes = top.split("\n")
        _, size, root = body.split("\n")
        Ed25519PublicKey.from_public_bytes(public).verify(b64decode(signature.split(" ")[2])[4:], f"{body}\n".encode())
        assert climb(digest, int(index_line[6:]), int(size), [b64decode(h) for h in hashes]) == b64decode(root)


def climb(digest: bytes, index: int, size: int, hashes: list[bytes]) -> bytes:
    """The root that an inclusion path leads to, by recursion from above as RFC 6962 defines it."""
    if size == 1:
        assert not hashes
        return digest
    k = max(2**i for i in range(32) if 2**i < size)
    *rest, top = hashes
    if index < k:
        return sha256(b"\1" + climb(digest, index, k, rest) + top).digest()
    return sha256(b"\1" + top + climb(digest, index - k, size - k, rest)).digest()


def test_an_end_before_its_birth_does_not_fit(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger") as ledger:
        ledger.append(end(1))
        ledger.append(birth(1))
        ledger.append(end(1))
        receipt = ledger.receipt(number_id(1))
        assert [item.proof.index for item in receipt.items] == [1, 2]
        assert receipt.verify(ledger.vkey).ended == end(1)
        swapped = Receipt(receipt.vkey, receipt.items[::-1])
        with pytest.raises(VerificationError):
            swapped.verify(ledger.vkey)


def test_growth_is_proved_or_said_to_be_unchecked(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger") as ledger:
        fill(ledger, 3)
        seen = checkpoint.verify(ledger.checkpoint(), Verifier.parse(ledger.vkey))
        same = ledger.receipt(number_id(1))
        fill(ledger, 600, first=3)
        ledger.checkpoint()
        assert same.verify(ledger.vkey, seen).since == "same"
        assert ledger.receipt(number_id(1)).verify(ledger.vkey, seen).since == "unchecked"
        assert ledger.receipt(number_id(1), since_size=3).verify(ledger.vkey, seen).since == "proved"
        assert ledger.receipt(number_id(1)).verify().pinned is False
        with pytest.raises(VerificationError):
            ledger.receipt(number_id(1), since_size=604)


def test_a_consistency_section_without_its_last_newline_is_refused_by_itself() -> None:
    """Found by tests/fuzz: only the whole receipt was held to its one form, its parts were not."""
    grown = Receipt.parse(read_vector("good/grown.txt")).consistency
    assert grown is not None
    assert Consistency.parse(grown.render()) == grown
    with pytest.raises(LedgerError):
        Consistency.parse(grown.render()[:-1])
