"""C2SP tlog-proof: one entry's index, its inclusion path and the checkpoint, as one text.

Source: https://c2sp.org/tlog-proof. Receipts forbid the `extra` line: it is not authenticated.
"""

from __future__ import annotations

from dataclasses import dataclass

from noghost.errors import LedgerError
from noghost.ledger.checkpoint import SIZE
from noghost.ledger.keys import decode64, encode64
from noghost.ledger.tree import HASH_BYTES

HEADER = "c2sp.org/tlog-proof@v1"
PATH_MAX = 64  # hashes; a tree of 2^64 entries needs no more


@dataclass(frozen=True, slots=True)
class Proof:
    """`path` is 32-byte hashes from the leaf's sibling up; `checkpoint` the signed note, verbatim."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str

    def render(self) -> str:
        return f"{HEADER}\nindex {self.index}\n{render_hashes(self.path)}\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Raises LedgerError unless `text` is exactly what `render` gives."""
        head, _, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if len(lines) < 2 or lines[0] != HEADER:
            raise LedgerError("cannot read the inclusion proof: its header is wrong", f"expected {HEADER}")
        proof = cls(read_number("index", lines[1]), parse_hashes(lines[2:]), checkpoint)
        if proof.render() != text:
            raise LedgerError("cannot read the inclusion proof: it is cut", "ask for the receipt again")
        return proof


def render_hashes(hashes: tuple[bytes, ...]) -> str:
    """One base64 line each."""
    return "".join(f"{encode64(digest)}\n" for digest in hashes)


def parse_hashes(lines: list[str]) -> tuple[bytes, ...]:
    """Raises LedgerError for more than 64 lines or for a line that is not a 32-byte hash."""
    hashes = tuple(decode64(line) for line in lines[: PATH_MAX + 1])
    if len(hashes) > PATH_MAX or any(len(digest) != HASH_BYTES for digest in hashes):
        raise LedgerError("cannot read a proof: its hashes are malformed", "ask for the receipt again")
    return hashes


def read_number(key: str, line: str) -> int:
    """The number in the line `key number`. Raises LedgerError."""
    name, _, value = line.partition(" ")
    if name != key or not SIZE.fullmatch(value):
        raise LedgerError(f"cannot read a proof: the line {key!r} is malformed", "ask for the receipt again")
    return int(value)
