"""Cosignatures: what is read, what is refused, and what other people's code made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.errors import LedgerError, VerificationError
from noghost.ledger import checkpoint, cosignature, note
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.keys import COSIGNATURE, Signer, Verifier, decode64
from noghost.ledger.submission import HASHES_MAX, Submission

LOG = Signer("example.com/log", bytes(32))
WITNESS = Signer("witness.example/w1", bytes([1]) * 32, COSIGNATURE)
SIGNED = checkpoint.sign(Checkpoint(LOG.name, 7, bytes(32)), LOG)
TIME_S = 1_679_315_147

# A witness's key that the tests of github.com/transparency-dev/formats have, and the line that tlog-cosignature shows.
ELSEWHERE = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
SHOWN = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="


def test_a_key_from_elsewhere_is_read_and_written_alike() -> None:
    assert Verifier.parse(ELSEWHERE, COSIGNATURE).render() == ELSEWHERE
    assert Signer.parse(WITNESS.render(), COSIGNATURE) == WITNESS


def test_keys_of_one_kind_are_none_of_the_other() -> None:
    for read in (lambda: Verifier.parse(ELSEWHERE), lambda: Verifier.parse(LOG.verifier.render(), COSIGNATURE)):
        with pytest.raises(LedgerError):
            read()
    assert Signer(LOG.name, LOG.seed, COSIGNATURE).verifier.key_id != LOG.verifier.key_id


def test_the_form_is_that_of_the_specification() -> None:
    line = cosignature.cosign(SIGNED, WITNESS, TIME_S)
    data, shown = decode64(line.split()[-1]), decode64(SHOWN)
    assert len(data) == len(shown) == 4 + 8 + 64
    assert data[4:12] == shown[4:12], "the time of its example"
    assert cosignature.message("text\n", TIME_S) == b"cosignature/v1\ntime 1679315147\ntext\n"


@given(st.integers(0, 2**63 - 1))
def test_verify_undoes_cosign(time_s: int) -> None:
    signed = SIGNED + cosignature.cosign(SIGNED, WITNESS, time_s)
    assert cosignature.verify(signed, WITNESS.verifier) == time_s
    assert checkpoint.verify(signed, LOG.verifier).size == 7, "to the log's own key it is a note as before"


def test_what_does_not_hold_is_refused() -> None:
    line = cosignature.cosign(SIGNED, WITNESS, TIME_S)
    assert cosignature.verify(SIGNED + line, WITNESS.verifier) == TIME_S
    other = checkpoint.sign(Checkpoint(LOG.name, 8, bytes(32)), LOG)
    stolen = note.signature_line(WITNESS, TIME_S.to_bytes(8, "big") + WITNESS.sign(b"another message"))
    short = note.signature_line(WITNESS, bytes(64))
    for text, error in (
        (SIGNED, VerificationError),
        (other + line, VerificationError),
        (SIGNED + stolen, VerificationError),
        (SIGNED + line + stolen, VerificationError),
        (SIGNED + short, LedgerError),
        (SIGNED + line[:-1], LedgerError),
    ):
        with pytest.raises(error):
            cosignature.verify(text, WITNESS.verifier)


@given(st.integers(0, 10**18 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=HASHES_MAX))
def test_parse_undoes_render(old: int, path: list[bytes]) -> None:
    asked = Submission(old, tuple(path), SIGNED)
    assert Submission.parse(asked.render()) == asked


@pytest.mark.parametrize(
    "text",
    [
        "",
        SIGNED,
        f"old 7\n{SIGNED}",
        f"old 07\n\n{SIGNED}",
        f"old -1\n\n{SIGNED}",
        f"new 7\n\n{SIGNED}",
        f"old 7\r\n\n{SIGNED}",
        f"old 7\nAAAA\n\n{SIGNED}",
        Submission(7, (bytes(32),) * (HASHES_MAX + 1), SIGNED).render(),
    ],
)
def test_malformed_submissions(text: str) -> None:
    with pytest.raises(LedgerError):
        Submission.parse(text)
