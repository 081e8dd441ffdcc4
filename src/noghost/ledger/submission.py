"""What a log sends to a witness: the size it was cosigned at last, the proof of growth since, the new checkpoint.

Source: https://c2sp.org/tlog-witness, section "add-checkpoint".
"""

from __future__ import annotations

from dataclasses import dataclass

from noghost.errors import LedgerError
from noghost.ledger.note import NOTE_MAX_BYTES
from noghost.ledger.proof import parse_hashes, read_number, render_hashes

HASHES_MAX = 63
SUBMISSION_MAX_BYTES = NOTE_MAX_BYTES + 4096  # 63 hashes of 45 bytes, and a line


@dataclass(frozen=True, slots=True)
class Submission:
    """`path` is the consistency proof (32-byte hashes), empty for `old` 0; `signed` the checkpoint, verbatim."""

    old: int
    path: tuple[bytes, ...]
    signed: str

    def render(self) -> str:
        return f"old {self.old}\n{render_hashes(self.path)}\n{self.signed}"

    @classmethod
    def parse(cls, text: str) -> Submission:
        """Raises LedgerError unless `text` is exactly what `render` gives; verifies nothing."""
        head, _, signed = text.partition("\n\n")
        first, *lines = head.split("\n")
        submission = cls(read_number("old", first), parse_hashes(lines), signed)
        if len(lines) > HASHES_MAX or submission.render() != text:
            raise LedgerError("cannot read the submission: its form is wrong", "see https://c2sp.org/tlog-witness")
        return submission
