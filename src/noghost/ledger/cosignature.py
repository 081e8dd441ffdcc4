"""Cosignatures: the word of a witness that, at a time, the largest tree it had seen of a log has this root.

Covered: whose word it is, for which checkpoint, and of what time; a log's signature cannot be taken for one, nor the
other way round (the key ids are of another type, the signed text has a line of its own before it).
Not covered: the witness's clock, and whether the witness compared anything.

Source: https://c2sp.org/tlog-cosignature, section "Ed25519 signed message".
"""

from __future__ import annotations

from noghost.errors import LedgerError
from noghost.ledger import note
from noghost.ledger.keys import Signer, Verifier

TIME_BYTES = 8
SIGNATURE_BYTES = 64


def cosign(signed: str, signer: Signer, time_s: int) -> str:
    """The signature line for a checkpoint, which is verified; `time_s` is Unix time."""
    text, _ = note.split(signed)
    return note.signature_line(signer, time_s.to_bytes(TIME_BYTES, "big") + signer.sign(message(text, time_s)))


def verify(signed: str, verifier: Verifier) -> int:
    """The latest time at which this witness cosigned a checkpoint, in Unix seconds.

    Raises LedgerError for a malformed text, VerificationError where it has no cosignature by this key, or one that
    does not hold.
    """
    text, signatures = note.signatures_of(signed, verifier)
    times = []
    for data in signatures:
        if len(data) != TIME_BYTES + SIGNATURE_BYTES:
            raise LedgerError("cannot read a cosignature: it has another length", "the file was changed or cut")
        times.append(int.from_bytes(data[:TIME_BYTES], "big"))
        verifier.verify(data[TIME_BYTES:], message(text, times[-1]))
    return max(times)


def message(text: str, time_s: int) -> bytes:
    """What is signed."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()
