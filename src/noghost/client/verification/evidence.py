"""What the receipt beside one turn proves: of the log, of the messages before the turn, of its text.

Covered: signature, inclusion, the key that is known for the log, every checkpoint of it that was seen before, in this
transcript or elsewhere; the two commitments.
Not covered: the facts that neither the request's body nor the receipt holds: `began`, `ended`, `model`, `seed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noghost.client.claim import Checked, body_of, check
from noghost.client.receipts import verify_receipt
from noghost.client.transcript import Turn
from noghost.errors import LedgerError, VerificationError
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.receipt import Receipt, Verified
from noghost.ledger.store import Ledger

KEY = re.compile(r"[0-9a-f]{64}")
NOTHING = Checked("not checked", "not checked")


@dataclass(slots=True)
class Trust:
    """What receipts are measured by: a key, a memory of checkpoints, a ledger at hand; and those of this transcript."""

    seen_dir: Path
    ledger: Ledger | None = None
    vkey: str | None = None
    met: dict[tuple[str, int], Checkpoint] = field(default_factory=dict)  # by log and size

    def verify(self, receipt: Receipt) -> Verified:
        """Raises LedgerError where something does not hold."""
        verified = verify_receipt(receipt, self.seen_dir, self.ledger, self.vkey)
        signed = verified.checkpoint
        sizes = [signed.size, *([receipt.consistency.since] if receipt.consistency else [])]
        for earlier in (self.met.get((signed.origin, size)) for size in sizes):
            receipt.verify(verified.vkey, earlier)
        self.met[signed.origin, signed.size] = signed
        return verified


@dataclass(frozen=True, slots=True)
class Evidence:
    """`broken` says why the receipt itself proves nothing; then `verified` is None."""

    checked: Checked = NOTHING
    verified: Verified | None = None
    key: bytes | None = field(default=None, repr=False)
    body: bytes = field(default=b"", repr=False)
    broken: str = ""


def evidence_of(turn: Turn, before: Sequence[Mapping[str, Any]], trust: Trust) -> Evidence | None:
    """Of a turn and the messages before it; None for one that has no receipt."""
    if "receipt" not in turn.facts:
        return None
    try:
        return proved(turn, before, trust)
    except LedgerError as error:
        return Evidence(broken=error.message)
    except (UnicodeEncodeError, RecursionError):  # half of a surrogate pair; an object without end
        return Evidence(broken="what is known of the turn is nothing that was ever sent")


def proved(turn: Turn, before: Sequence[Mapping[str, Any]], trust: Trust) -> Evidence:
    """As `evidence_of`, of a turn that has one. Raises LedgerError for a receipt that does not hold."""
    verified = trust.verify(Receipt.parse(str(turn.facts["receipt"])))
    if turn.facts.get("instance", verified.id) != verified.id:
        raise VerificationError("the receipt is of another instance than the one that answered")
    key, options = turn.facts.get("key"), turn.facts.get("options")
    known = bytes.fromhex(key) if isinstance(key, str) and KEY.fullmatch(key) else None
    body = body_of(before, options if isinstance(options, dict) else {})
    return Evidence(check(verified, known, body, turn.text), verified, known, body)
