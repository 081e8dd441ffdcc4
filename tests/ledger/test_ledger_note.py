"""Keys, notes and checkpoints: what is read, what is refused, and a note signed by somebody else's code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.errors import LedgerError, VerificationError
from noghost.ledger import checkpoint, note
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.keys import Signer, Verifier, decode64, encode64

SIGNER = Signer("example.com/log", bytes(32))
OTHER = Signer("example.com/log", bytes([1]) * 32)

# The key pair and the note that golang.org/x/mod/sumdb/note shows in its documentation.
GO_SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    GO_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_go_note_is_read_and_written_alike() -> None:
    signer = Signer.parse(GO_SKEY)
    assert signer.verifier.render() == GO_VKEY
    assert note.sign(GO_TEXT, signer) == GO_NOTE
    assert note.verify(GO_NOTE, Verifier.parse(GO_VKEY)) == GO_TEXT


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_verify_undoes_sign(line: str) -> None:
    text = f"{line}\n\nlast line\n"
    assert note.verify(note.sign(text, SIGNER), SIGNER.verifier) == text


def test_a_forged_signature_is_refused() -> None:
    honest = note.sign("text\n", SIGNER)
    assert note.verify(honest, SIGNER.verifier)
    key_id, forged = SIGNER.verifier.key_id, OTHER.sign(b"text\n")
    for signature in (forged, bytes(64), forged[:63], SIGNER.sign(b"other\n")):
        line = f"— {SIGNER.name} {encode64(key_id + signature)}\n"
        with pytest.raises(VerificationError):
            note.verify(f"text\n\n{line}", SIGNER.verifier)
        with pytest.raises(VerificationError):
            note.verify(honest + line, SIGNER.verifier)


def test_signatures_of_unknown_keys_are_ignored() -> None:
    witness = note.sign("text\n", OTHER).split("\n\n")[1]
    assert note.verify(note.sign("text\n", SIGNER) + witness, SIGNER.verifier) == "text\n"
    with pytest.raises(VerificationError):
        note.verify("text\n\n" + witness, SIGNER.verifier)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "text", "text\n", "text\n\n", "text\n\n— x\n", "text\n\n— x AAAA\n", "\n\n", "a\tb\n\n— x AAAAAAAA\n"],
)
def test_malformed_notes(text: str) -> None:
    with pytest.raises(LedgerError):
        note.verify(text, SIGNER.verifier)


def test_a_checkpoint_is_its_three_lines() -> None:
    signed = Checkpoint(SIGNER.name, 7, bytes(32))
    assert checkpoint.verify(checkpoint.sign(signed, SIGNER), SIGNER.verifier) == signed
    root = encode64(bytes(32))
    for body in (
        f"{SIGNER.name}\n07\n{root}\n",
        f"{SIGNER.name}\n-1\n{root}\n",
        f"{SIGNER.name}\n7\n{root[:-4]}\n",
        f"{SIGNER.name}\n7\n{root}\nextension\n",
        f"other.example/log\n7\n{root}\n",
        f"{SIGNER.name}\n7\n",
    ):
        with pytest.raises(LedgerError):
            checkpoint.verify(note.sign(body, SIGNER), SIGNER.verifier)


def test_the_seed_never_shows() -> None:
    signer = Signer.create()
    assert encode64(signer.seed) not in repr(signer)
    assert repr(signer.seed)[2:-1] not in repr(signer)
    with pytest.raises(LedgerError) as caught:
        Signer.parse(signer.render() + "x")
    assert signer.render()[-20:] not in str(caught.value)


@given(st.binary())
def test_base64_is_canonical(data: bytes) -> None:
    assert decode64(encode64(data)) == data


@pytest.mark.parametrize("text", ["AB==", "AA=", "AA", "A", "AA==\n", "A A=", "é", "AA==AA=="])
def test_other_base64_is_refused(text: str) -> None:
    with pytest.raises(LedgerError):
        decode64(text)


@pytest.mark.parametrize("half", ["\ud800"])
def test_half_of_a_surrogate_pair_is_refused_and_not_encoded(half: str) -> None:
    """Found by tests/fuzz: a text that was read carelessly holds such characters, and has no bytes to hash."""
    for text in (half + GO_NOTE, GO_NOTE + half, GO_NOTE.replace("Neumann ", f"Neumann{half} ")):
        with pytest.raises(LedgerError):
            note.verify(text, Verifier.parse(GO_VKEY))
    with pytest.raises(LedgerError):
        Verifier.parse(half + GO_VKEY)
    with pytest.raises(LedgerError):
        Signer.parse(GO_SKEY.replace("Peter", half))
