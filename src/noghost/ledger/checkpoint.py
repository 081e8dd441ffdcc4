"""Checkpoints: the signed size and root of the log at one moment.

Source: https://c2sp.org/tlog-checkpoint, without extension lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from noghost.errors import LedgerError
from noghost.ledger import note
from noghost.ledger.keys import Signer, Verifier, decode64, encode64
from noghost.ledger.tree import HASH_BYTES

SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` had `size` entries, with this RFC 6962 root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def render(self) -> str:
        """The note text, still unsigned."""
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """From a note text whose signature was verified. Raises LedgerError."""
        lines = text.split("\n")
        if len(lines) != 4 or not lines[0] or lines[3] or not SIZE.fullmatch(lines[1]):
            raise _malformed("it is not origin, size, root")
        root = decode64(lines[2])
        if len(root) != HASH_BYTES:
            raise _malformed("its root is not a SHA-256 hash")
        return cls(lines[0], int(lines[1]), root)


def sign(checkpoint: Checkpoint, signer: Signer) -> str:
    """The signed note of a checkpoint; the origin must be the signer's name."""
    if checkpoint.origin != signer.name:
        raise LedgerError("cannot sign a checkpoint of another log", "the origin is the key's name")
    return note.sign(checkpoint.render(), signer)


def verify(signed: str, verifier: Verifier) -> Checkpoint:
    """The checkpoint in a note that `verifier` signed under its own name as origin.

    Raises LedgerError for a malformed text, VerificationError for a signature that does not hold.
    """
    checkpoint = Checkpoint.parse(note.verify(signed, verifier))
    if checkpoint.origin != verifier.name:
        raise _malformed("its origin is not the name of its key")
    return checkpoint


def _malformed(reason: str) -> LedgerError:
    return LedgerError(f"cannot read the checkpoint: {reason}", "the file was changed or cut")
