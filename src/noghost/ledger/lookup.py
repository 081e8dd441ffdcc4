"""Finding entries by invocation id: on the disk, so that memory does not grow with the log.

Bundles are searched as bytes, newest first; 100,000 entries are some 35 MB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from noghost.errors import LedgerError, ReceiptNotFound
from noghost.ledger.entry import Ended, Entry, Opened, parse_bytes
from noghost.ledger.tiles import WIDTH, Tiles

PREFIX_MIN_CHARS = 6

Found = tuple[int, bytes]  # index in the log, record


def find_entries(tiles: Tiles, bundles: int, tail: Sequence[bytes], invocation_id: str) -> list[Found]:
    """The birth with this id and, if there is one, the first end after it.

    Raises ReceiptNotFound if no birth has this id.
    """
    marker = f"\nid {invocation_id}\n".encode("ascii", "replace")
    later: list[Found] = []
    for number in range(bundles, -1, -1):
        records = tail if number == bundles else _bundle_with(tiles, number, marker)
        hits = [(number * WIDTH + i, record) for i, record in enumerate(records) if marker in record]
        later = hits + later
        births = [i for i, (_, record) in enumerate(later) if isinstance(parse_bytes(record), Opened)]
        if births:
            ends = [hit for hit in later[births[0] + 1 :] if isinstance(parse_bytes(hit[1]), Ended)]
            return [later[births[0]], *ends[:1]]
    raise ReceiptNotFound("cannot find an invocation with this id in the ledger", "`noghost receipts` lists them")


def find_id(tiles: Tiles, bundles: int, tail: Sequence[bytes], prefix: str) -> str:
    """The one id that begins with `prefix`. Raises ReceiptNotFound for none, LedgerError for several."""
    if not re.fullmatch(rf"[0-9a-f]{{{PREFIX_MIN_CHARS},32}}", prefix):
        raise ReceiptNotFound(
            "cannot look up this id: it is not 6 to 32 lower-case hex digits", "`noghost receipts` lists ids"
        )
    pattern = re.compile(rf"\nid ({prefix}[0-9a-f]*)\n".encode())
    found: set[bytes] = set(pattern.findall(b"".join(tail)))
    for number in range(bundles):
        found.update(pattern.findall(_bundle_bytes(tiles, number)))
    if not found:
        raise ReceiptNotFound("cannot find an invocation with this id in the ledger", "`noghost receipts` lists them")
    if len(found) > 1:
        raise LedgerError("cannot tell which invocation is meant: several ids begin so", "give more digits")
    return found.pop().decode("ascii")


def unmatched(entries: Iterable[Entry]) -> list[Opened]:
    """The births without a later end, in order. Memory follows those open at one time, not the log."""
    opened: dict[str, Opened] = {}
    for entry in entries:
        if isinstance(entry, Ended):
            opened.pop(entry.id, None)
        else:
            opened[entry.id] = entry
    return list(opened.values())


def _bundle_with(tiles: Tiles, number: int, marker: bytes) -> Sequence[bytes]:
    return tiles.bundle(number) if marker in _bundle_bytes(tiles, number) else ()


def _bundle_bytes(tiles: Tiles, number: int) -> bytes:
    try:
        return tiles.bundle_path(number).read_bytes()
    except OSError:
        return b"".join(tiles.bundle(number))
