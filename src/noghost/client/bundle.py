"""Several receipts in one file, one after another, of one log or of many: made by a batch, verified by anybody.

Covered: each receipt by itself, and all of them together: one key for a log, and one history of it wherever a receipt
shows its growth from the one before, or has a checkpoint of the same size.
Not covered: a receipt that was left out; that is for who knows which there should be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from noghost.client.verification import Trust
from noghost.errors import LedgerError, VerificationError
from noghost.ledger import files
from noghost.ledger.receipt import HEADER, Receipt, Verified

BEGIN = re.compile(rf"^(?={re.escape(HEADER)}$)", re.MULTILINE)  # no line inside a receipt is this one


def split(text: str) -> list[str]:
    """The text of each receipt; what stands before the first is one as well, and none that can be read."""
    return [part for part in BEGIN.split(text) if part]


def read_bundle(path: Path) -> list[Receipt]:
    """Raises LedgerError, which says the how manieth cannot be read."""
    with files.reporting("read the receipts"):
        data = path.read_bytes()
    try:
        parts = split(data.decode()) or [""]
    except UnicodeDecodeError:
        raise LedgerError("cannot read the receipts: the file is not text", "it was changed or cut") from None
    return [parsed(part, number if len(parts) > 1 else 0) for number, part in enumerate(parts, 1)]


def parsed(text: str, number: int) -> Receipt:
    """`number` is 0 where there is no other. Raises LedgerError."""
    try:
        return Receipt.parse(text)
    except LedgerError as error:
        if not number:
            raise
        raise LedgerError(f"receipt {number} of the file: {error.message}", error.hint) from None


def verify_all(receipts: Iterable[Receipt], trust: Trust) -> list[Verified]:
    """Each of them, in their order. Raises VerificationError, which says the how manieth does not hold."""
    found: dict[str, Verified] = {}
    for number, receipt in enumerate(receipts, 1):
        try:
            verified = trust.verify(receipt)
        except LedgerError as error:
            raise VerificationError(f"receipt {number} of the file: {error.message}", error.hint) from None
        if verified.id in found:
            raise VerificationError(f"receipt {number} of the file: there is one of that invocation before it")
        found[verified.id] = verified
    return list(found.values())
