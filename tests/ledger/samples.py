"""Entries for the ledger's tests: births and ends with numbered ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noghost.ledger.entry import Ended, Opened
from noghost.ledger.store import Ledger

MINUTE = "2026-03-01T14:05Z"
VECTORS = Path(__file__).parent.parent / "vectors" / "receipt-v1"


def number_id(number: int) -> str:
    return f"{number:032x}"


def birth(number: int) -> Opened:
    return Opened(
        MINUTE, number_id(number), "11" * 32, "0.1.0", "22" * 32, "33" * 32, "swap=none", "x86_64=avx2", "8192", "512"
    )


def end(number: int, outcome: str = "answered") -> Ended:
    return Ended(MINUTE, number_id(number), outcome, "verified", 13, 13, 6, 7)


def fill(ledger: Ledger, count: int, first: int = 0) -> None:
    """Append `count` births, numbered from `first`."""
    for number in range(first, first + count):
        ledger.append(birth(number))


@contextmanager
def filled(path: Path, count: int) -> Iterator[Ledger]:
    with Ledger.open(path) as ledger:
        fill(ledger, count)
        yield ledger
