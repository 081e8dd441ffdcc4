"""Recompute the whole log from its entries and compare everything that is stored with it.

Covered: an entry, a tile or the checkpoint was changed, removed or replaced, and the rest was not.
Not covered: all of it was rewritten and signed anew with the key. Only a checkpoint that somebody
has seen before reveals that; client/receipts.py remembers them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from noghost.errors import VerificationError
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.entry import parse_bytes
from noghost.ledger.tiles import WIDTH, Tiles
from noghost.ledger.tree import EMPTY_ROOT, Frontier, fold, leaf_hash


@dataclass(frozen=True, slots=True)
class Audit:
    """`size` entries hash to `root` (32 bytes); the first `signed` are under the newest checkpoint."""

    size: int
    root: bytes
    signed: int


def recompute(tiles: Tiles, bundles: int, tail: Iterable[bytes], signed: Checkpoint | None) -> Audit:
    """Raises VerificationError for what differs, LedgerError for what cannot be read.

    Reads one bundle at a time and keeps at most 255 hashes a level.
    """
    levels, frontier, signed_root = _Levels(tiles), Frontier(), EMPTY_ROOT
    signed_size = signed.size if signed else 0
    for record in tiles.records(bundles):
        parse_bytes(record)
        levels.push(0, leaf_hash(record))
        frontier = frontier.push(0, leaf_hash(record))
        signed_root = frontier.root() if frontier.size == signed_size else signed_root
    levels.finish()
    for record in tail:
        parse_bytes(record)
        frontier = frontier.push(0, leaf_hash(record))
        signed_root = frontier.root() if frontier.size == signed_size else signed_root
    if signed and signed_root != signed.root:
        raise differs("the signed checkpoint")
    return Audit(frontier.size, frontier.root(), signed_size)


class _Levels:
    """Rebuilds every tile from the leaves and compares it with the stored one."""

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        self._hashes: list[list[bytes]] = []
        self._numbers: list[int] = []

    def push(self, level: int, digest: bytes) -> None:
        if level == len(self._hashes):
            self._hashes.append([])
            self._numbers.append(0)
        self._hashes[level].append(digest)
        if len(self._hashes[level]) == WIDTH:
            root = fold(self._hashes[level])
            self._compare(level)
            self._hashes[level] = []
            self._numbers[level] += 1
            self.push(level + 1, root)

    def finish(self) -> None:
        for level in range(len(self._hashes)):
            self._compare(level)

    def _compare(self, level: int) -> None:
        hashes, number = self._hashes[level], self._numbers[level]
        if hashes and self._tiles.tile(level, number, len(hashes)) != b"".join(hashes):
            raise differs(f"tile {level}/{number}")


def differs(what: str) -> VerificationError:
    """The error for entries that do not hash to what is stored or signed."""
    return VerificationError(
        f"cannot trust the ledger: its entries do not match {what}",
        "the ledger was truncated or rewritten; restore it from a backup and keep this copy as evidence",
    )
