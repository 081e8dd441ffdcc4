"""A receipt: the proof of one invocation's entries in the ledger, as one text file.

Covered: who signed, that each entry is in the signed log, that the entries belong to one invocation,
and, when a checkpoint was seen before, that the log only grew since.
Not covered: that the statements are true; that no other log was shown to somebody else.

The form is spec/receipt-v1.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from noghost.errors import LedgerError, VerificationError
from noghost.ledger import checkpoint as checkpoints
from noghost.ledger import tree
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.entry import Ended, Opened, parse, parse_bytes, render
from noghost.ledger.keys import Verifier, encode64
from noghost.ledger.proof import Proof, parse_hashes, read_number, render_hashes

HEADER = "noghost-receipt/v1"
RECEIPT_MAX_BYTES = 65_536
_SECTION = re.compile(r"^=== ([a-z]+)\n", re.MULTILINE)
_ENDS: tuple[list[str], ...] = ([], ["closed", "proof"], ["lost", "proof"])
_FLOWS = [["opened", "proof", *end, *grown] for end in _ENDS for grown in ([], ["consistency"])]

Since = Literal["first", "same", "proved", "unchecked"]


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the signed log begins with the tree of `since` entries and this root (32 bytes each)."""

    since: int
    root: bytes
    path: tuple[bytes, ...]

    def render(self) -> str:
        return f"since {self.since}\nroot {encode64(self.root)}\n{render_hashes(self.path)}"

    @classmethod
    def parse(cls, text: str) -> Consistency:
        """Raises LedgerError unless `text` is exactly what `render` gives."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 2 or not lines[1].startswith("root "):
            raise _malformed("its consistency section is cut")
        root = parse_hashes([lines[1].removeprefix("root ")])[0]
        consistency = cls(read_number("since", lines[0]), root, parse_hashes(lines[2:]))
        if consistency.render() != text:
            raise _malformed("its consistency section is cut")
        return consistency


@dataclass(frozen=True, slots=True)
class Item:
    """One entry's exact text with its proof."""

    text: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verified receipt proves.

    `since` says how it relates to the checkpoint seen before: "first" (none was seen), "same" (the
    same tree), "proved" (the log only grew), "unchecked" (this text alone cannot tell). `pinned` is
    whether the key was known beforehand; if not, it is the receipt's own word.
    """

    opened: Opened
    ended: Ended | None
    checkpoint: Checkpoint
    vkey: str
    pinned: bool
    since: Since
    index: int  # of its last entry in the log

    @property
    def id(self) -> str:
        return self.opened.id


@dataclass(frozen=True, slots=True)
class Receipt:
    """`items` is the birth and, if it was recorded, the end; all under one checkpoint."""

    vkey: str
    items: tuple[Item, ...]
    consistency: Consistency | None = None

    @property
    def checkpoint(self) -> str:
        """The signed checkpoint, verbatim."""
        return self.items[0].proof.checkpoint

    def render(self) -> str:
        parts = [f"{HEADER}\nvkey {self.vkey}\n"]
        for item in self.items:
            parts += [f"=== {parse(item.text).kind}\n", item.text, "=== proof\n", item.proof.render()]
        if self.consistency is not None:
            parts += ["=== consistency\n", self.consistency.render()]
        return "".join(parts)

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Raises LedgerError unless `text` is exactly what `render` gives; verifies nothing."""
        if len(text) > RECEIPT_MAX_BYTES:
            raise _malformed("it is too long")
        head, *rest = _SECTION.split(text)
        names, bodies = rest[::2], rest[1::2]
        if names not in _FLOWS or not head.startswith(f"{HEADER}\nvkey "):
            raise _malformed("its sections are not those of a receipt")
        grown = Consistency.parse(bodies.pop()) if names[-1] == "consistency" else None
        items = [Item(t, Proof.parse(p)) for t, p in zip(bodies[::2], bodies[1::2], strict=True)]
        receipt = cls(head.removeprefix(f"{HEADER}\nvkey ").removesuffix("\n"), tuple(items), grown)
        if receipt.render() != text:
            raise _malformed("it is not in canonical form")
        return receipt

    def verify(self, vkey: str | None = None, seen_checkpoint: Checkpoint | None = None) -> Verified:
        """Check signature, inclusion, fit and growth; say what holds.

        `vkey` is the key trusted beforehand, `seen_checkpoint` the newest one verified beforehand.
        Raises VerificationError when a check does not hold, LedgerError when a part cannot be read.
        """
        if vkey is not None and vkey != self.vkey:
            raise VerificationError(
                "cannot verify the receipt: it names another key than the one known for this log",
                "trust it only if you know why the key changed",
            )
        signed = checkpoints.verify(self.checkpoint, Verifier.parse(self.vkey))
        for item in self.items:
            self._verify_item(item, signed)
        opened, ended = self._fit()
        since = self._verify_growth(signed, seen_checkpoint)
        return Verified(opened, ended, signed, self.vkey, vkey is not None, since, self.items[-1].proof.index)

    def _verify_item(self, item: Item, signed: Checkpoint) -> None:
        if item.proof.checkpoint != self.checkpoint:
            raise VerificationError(
                "cannot verify the receipt: its entries stand under different checkpoints",
                "ask for the receipt again",
            )
        leaf = tree.leaf_hash(item.text.encode())
        tree.verify_inclusion(leaf, item.proof.index, signed.size, item.proof.path, signed.root)

    def _fit(self) -> tuple[Opened, Ended | None]:
        opened, *rest = [parse(item.text) for item in self.items]
        ended = rest[0] if rest else None
        fits = isinstance(opened, Opened) and (ended is None or isinstance(ended, Ended))
        if fits and ended is not None:
            fits = ended.id == opened.id and self.items[1].proof.index > self.items[0].proof.index
        if not fits:
            raise VerificationError(
                "cannot verify the receipt: its entries are not one invocation's birth and end",
                "it was put together from different receipts",
            )
        assert isinstance(opened, Opened)
        assert ended is None or isinstance(ended, Ended)
        return opened, ended

    def _verify_growth(self, signed: Checkpoint, seen: Checkpoint | None) -> Since:
        grown = self.consistency
        if grown is not None:
            tree.verify_consistency(grown.since, grown.root, signed.size, signed.root, grown.path)
        if seen is None or seen.size == 0:
            return "first"
        if seen.origin != signed.origin:
            raise VerificationError("cannot compare checkpoints of two different logs", "name the right log")
        if seen.size == signed.size:
            tree.verify_consistency(seen.size, seen.root, signed.size, signed.root, ())
            return "same"
        if grown is None or grown.since != seen.size:
            return "unchecked"
        tree.verify_consistency(seen.size, seen.root, signed.size, signed.root, grown.path)
        return "proved"


def to_item(data: bytes, index: int, path: tuple[bytes, ...], signed: str) -> Item:
    """An item from the bytes of a bundle record. Raises LedgerError if they are no entry."""
    return Item(render(parse_bytes(data)), Proof(index, path, signed))


def _malformed(reason: str) -> LedgerError:
    return LedgerError(f"cannot read the receipt: {reason}", "the file was changed or cut")
