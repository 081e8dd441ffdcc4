"""What the caller does with receipts: list, verify, and remember the checkpoints seen.

Covered: a log that was rewritten, truncated or replaced since the last time it was looked at.
Not covered: the first look. The key that is met first is believed, and pinned from then on.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from noghost.config import data_dir
from noghost.errors import LedgerError, VerificationError
from noghost.ledger import checkpoint as checkpoints
from noghost.ledger import files
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.entry import Ended, Entry, Opened
from noghost.ledger.keys import Verifier
from noghost.ledger.receipt import RECEIPT_MAX_BYTES, Receipt, Verified
from noghost.ledger.store import Ledger

PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.4)  # before each look for an end: wiping a small model's instance takes 12 ms


@dataclass(frozen=True, slots=True)
class Row:
    """One invocation as the list shows it; `ended` is None while no end is recorded."""

    opened: Opened
    ended: Ended | None


@dataclass(frozen=True, slots=True)
class Seen:
    """The key pinned for a log and the newest checkpoint of it that was verified."""

    vkey: str
    signed: str

    @property
    def checkpoint(self) -> Checkpoint:
        """Verified again on every look. Raises LedgerError."""
        return checkpoints.verify(self.signed, Verifier.parse(self.vkey))


def default_seen_dir() -> Path:
    """Where the caller's memory of checkpoints is. It must not be the service's to write."""
    return data_dir() / "seen"


def open_existing(directory: Path) -> Ledger:
    """The ledger in `directory`. Raises LedgerError if there is none, instead of making one."""
    if not (directory / "key").exists():
        raise LedgerError(f"cannot read a ledger: there is none in {directory}", "name another with --ledger DIR")
    return Ledger.open(directory)


@contextmanager
def ledger_if_any(directory: Path) -> Iterator[Ledger | None]:
    """The ledger in `directory`, if there is one."""
    if not (directory / "key").exists():
        yield None
        return
    with closing(open_existing(directory)) as ledger:
        yield ledger


def list_rows(entries: Iterable[Entry]) -> list[Row]:
    """One row for each birth, in order, with the first end after it."""
    rows: dict[str, Row] = {}
    for entry in entries:
        if isinstance(entry, Opened):
            rows.setdefault(entry.id, Row(entry, None))
        elif (row := rows.get(entry.id)) and row.ended is None:
            rows[entry.id] = Row(row.opened, entry)
    return list(rows.values())


def fetch(get: Callable[[str], bytes], invocation_id: str, since: int = 0) -> str:
    """A service's receipt of an invocation that has just answered; `get` asks the service for a path.

    `since` is the size of a checkpoint of its log that is known: the receipt then shows the growth from there.

    The end stands in it once the instance is wiped, some milliseconds after its answer: waited for a while, then
    done without. Raises what `get` does, LedgerError for what is no receipt.
    """
    text = ""
    for pause_s in PAUSES_S:
        time.sleep(pause_s)
        text = get(f"/v1/receipts/{invocation_id}{f'?since={since}' if since else ''}").decode("utf-8", "replace")
        if len(Receipt.parse(text).items) > 1:
            break
    return text


def verify_id(ledger: Ledger, invocation_id: str, seen_dir: Path) -> Verified:
    """Verify the receipt that the ledger gives for an id, against what was seen of it before.

    Raises VerificationError when a check does not hold, ReceiptNotFound for an unknown id.
    """
    seen = check_ledger(ledger, seen_dir)
    since = seen.checkpoint.size if seen else None
    return verify_receipt(ledger.receipt(invocation_id, since), seen_dir)


def verify_file(path: Path, seen_dir: Path, ledger: Ledger | None = None, vkey: str | None = None) -> Verified:
    """Verify a receipt file; with the ledger at hand, also what the file alone cannot show.

    `vkey` is the key that the caller trusts; without it, the one pinned for the log.
    Raises VerificationError when a check does not hold, LedgerError for a file that is no receipt.
    """
    return verify_receipt(read_receipt(path), seen_dir, ledger, vkey)


def verify_receipt(receipt: Receipt, seen_dir: Path, ledger: Ledger | None = None, vkey: str | None = None) -> Verified:
    """Verify, then remember its checkpoint if it is newer than the one seen."""
    seen = recall(seen_dir, Verifier.parse(receipt.vkey).name)
    known = seen.checkpoint if seen else None
    verified = receipt.verify(vkey or (seen.vkey if seen else None), known)
    if verified.since == "unchecked" and known and ledger and ledger.vkey == receipt.vkey:
        older, newer = sorted((known, verified.checkpoint), key=lambda signed: signed.size)
        ledger.consistency(older, newer)
        verified = replace(verified, since="proved")
    if verified.since != "unchecked":
        remember(seen_dir, receipt.vkey, receipt.checkpoint)
    return verified


def check_ledger(ledger: Ledger, seen_dir: Path) -> Seen | None:
    """Compare a ledger directory with what was seen of it; pin its key on the first look.

    Raises VerificationError if the directory holds another log now, or one that did not only grow.
    """
    pin = pin_of(seen_dir, "place", bytes(ledger.path.resolve()))
    if pinned(pin, ledger.vkey) != ledger.vkey:
        raise VerificationError(
            "cannot trust the ledger: this directory held a log with another key before",
            f"if you replaced the ledger yourself, remove {pin}",
        )
    seen = recall(seen_dir, ledger.origin)
    if seen:
        ledger.consistency(seen.checkpoint)
    return seen


def pin_of(seen_dir: Path, kind: str, place: bytes) -> Path:
    """The file in which the key of a place is pinned; the place itself does not stand there."""
    return seen_dir / f"{kind}-{hashlib.sha256(place).hexdigest()[:16]}"


def pinned(pin: Path, vkey: str) -> str:
    """The key that is pinned; where there was none, this one, from now on."""
    with _locked(pin.parent):
        if (known := _read(pin)) is None:
            files.replace(pin, f"{vkey}\n".encode())
    return vkey if known is None else known.removesuffix("\n")


def read_receipt(path: Path) -> Receipt:
    """Raises LedgerError if the file cannot be read or is no receipt."""
    with files.reporting("read the receipt"), path.open("rb") as file:
        data = file.read(RECEIPT_MAX_BYTES + 1)
    try:
        return Receipt.parse(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise LedgerError("cannot read the receipt: it is not text", "the file was changed or cut") from None


def recall(seen_dir: Path, origin: str) -> Seen | None:
    """What was seen of the log `origin`, or None."""
    text = _read(_seen_path(seen_dir, origin))
    if text is None:
        return None
    vkey, _, signed = text.partition("\n")
    return Seen(vkey, signed)


def remember(seen_dir: Path, vkey: str, signed: str) -> None:
    """Keep a verified checkpoint unless a larger one is kept already; pin its key."""
    new = Seen(vkey, signed).checkpoint
    with _locked(seen_dir):
        old = recall(seen_dir, new.origin)
        if old is None or (old.vkey == vkey and old.checkpoint.size < new.size):
            files.replace(_seen_path(seen_dir, new.origin), f"{vkey}\n{signed}".encode())


def _seen_path(seen_dir: Path, origin: str) -> Path:
    return seen_dir / files.log_name(origin)


def _read(path: Path) -> str | None:
    with files.reporting("read what was seen of the ledger"):
        return path.read_bytes().decode("utf-8", "replace") if path.exists() else None


@contextmanager
def _locked(seen_dir: Path) -> Iterator[None]:
    """One writer at a time; the directory is made if need be."""
    with files.reporting("remember what was seen of the ledger"):
        files.make_directory(seen_dir)
        fd = files.open_lock(seen_dir / "lock")
        try:
            with files.exclusive(fd):
                yield
        finally:
            os.close(fd)
