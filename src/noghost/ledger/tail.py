"""The part of the log that still grows: one append-only file of at most 256 records.

Covered: a record is written whole or not at all, as seen by every later reader; a torn record of a
process that died is cut off by the next one that holds the lock.
Not covered: locking. Every method but `sync` is called under the ledger's lock.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from noghost.errors import LedgerError
from noghost.ledger.entry import ENTRY_MAX_BYTES, OlderEntryError, parse_bytes
from noghost.ledger.files import FILE_MODE, sync_directory, write_all
from noghost.ledger.tiles import WIDTH, damaged, join_record, split_records
from noghost.ledger.tree import Frontier, leaf_hash


class State(NamedTuple):
    """What is known of the tail. Replaced as one value, so that a signal never sees half of it."""

    records: int
    size_bytes: int
    frontier: Frontier  # over the whole log, bundles included


class Tail:
    """The open tail file that will become entry bundle `bundle`.

    Memory does not grow with the records: only their count, their bytes and a frontier are kept.
    """

    def __init__(self, path: Path, bundle: int, base: Frontier) -> None:
        """Open or create. `base` is the frontier over the full bundles. Raises OSError."""
        self.path, self.bundle, self.base = path, bundle, base
        created = not path.exists()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        if created:
            self._sync_name()
        self._inode = os.fstat(self._fd).st_ino
        self.state = State(0, 0, base)

    @property
    def size(self) -> int:
        """Entries in the whole log."""
        return self.bundle * WIDTH + self.state.records

    def catch_up(self) -> bool:
        """Take in what other processes appended; False if the file was sealed and a new one begun."""
        try:
            status = os.stat(self.path)  # noqa: PTH116  # three times as fast as Path.stat, on every append
        except FileNotFoundError:
            return False
        if status.st_ino != self._inode:
            return False
        if status.st_size < self.state.size_bytes:
            raise damaged("its tail")
        if status.st_size > self.state.size_bytes:
            self._absorb(status.st_size)
        return True

    def append(self, data: bytes) -> None:
        """Write one record; on any failure cut it off again. Raises OSError."""
        records, size_bytes, frontier = self.state
        assert records < WIDTH
        record = join_record(data)
        try:
            write_all(self._fd, record, size_bytes)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(self._fd, size_bytes)
            raise
        self.state = State(records + 1, size_bytes + len(record), frontier.push(0, leaf_hash(data)))

    def sync(self) -> None:
        """Everything appended is on the disk, even if another process sealed the file. Raises OSError."""
        os.fdatasync(self._fd)

    def read(self) -> list[bytes]:
        """The records, from the disk."""
        data = os.pread(self._fd, self.state.size_bytes, 0)
        records, used = split_records(data)
        if used != self.state.size_bytes or len(records) != self.state.records:
            raise damaged("its tail")
        return records

    def close(self) -> None:
        os.close(self._fd)

    def _sync_name(self) -> None:
        try:
            sync_directory(self.path.parent)
        except OSError:
            self.path.unlink()  # so that the next try syncs its name; the ledger's lock is held
            self.close()
            raise

    def _absorb(self, size_bytes: int) -> None:
        known = self.state
        data = os.pread(self._fd, size_bytes - known.size_bytes, known.size_bytes)
        records, used = split_records(data)
        if records and _unwritten(records[-1]):
            used -= len(join_record(records.pop()))
        torn = data[used:]
        if known.records + len(records) > WIDTH or (len(torn) > 2 + ENTRY_MAX_BYTES and any(torn)):
            raise damaged("its tail")
        if torn:
            os.ftruncate(self._fd, known.size_bytes + used)
        frontier = known.frontier
        for record in records:
            frontier = frontier.push(0, leaf_hash(record))
        self.state = State(known.records + len(records), known.size_bytes + used, frontier)


def _unwritten(record: bytes) -> bool:
    """Whether a last record holds blocks that never reached the disk (zeros after a power cut)."""
    try:
        parse_bytes(record)
    except LedgerError as error:
        if b"\x00" in record:
            return True
        if isinstance(error, OlderEntryError):
            raise
        raise damaged("the last record of its tail") from None
    return False
