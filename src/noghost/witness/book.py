"""What a witness keeps: its key, and of each log the newest checkpoint that it has cosigned. In the witness.

Covered: what `keep` was given is on the disk when it returns; a crash leaves the old one or the new one; several
processes with one directory take turns (`alone`). Not covered: a directory that was restored from an old backup, which
makes the witness cosign a fork of what it has forgotten.

    <directory>/key          the signing key; 0600
    <directory>/lock         flock: who judges now
    <directory>/log-NAME     the newest checkpoint of that log, signed by it
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noghost.ledger import checkpoint, files
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.keys import COSIGNATURE, Signer, Verifier, load_signer
from noghost.ledger.tree import EMPTY_ROOT

PREFIX = "noghost.local/witness-"  # of a key's name


class Book:
    """Every method raises LedgerError where the disk or what stands on it is at fault."""

    def __init__(self, directory: Path) -> None:
        """Open it; a new one is made, with a key of its own."""
        self._directory = directory
        with files.reporting("open the witness's directory"):
            files.make_directory(directory)
            self._lock = files.open_lock(directory / "lock")
            with files.exclusive(self._lock):
                needed = any(directory.glob("log-*"))
                self.signer = load_signer(directory / "key", make_key, COSIGNATURE, needed=needed)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else reads or writes meanwhile: what is compared is what is replaced."""
        with files.reporting("use the witness's directory"), files.exclusive(self._lock):
            yield

    def latest(self, log: Verifier) -> Checkpoint:
        """The newest checkpoint of a log that was cosigned, its signature verified again; of none, an empty tree."""
        path = self._path(log)
        if not path.exists():
            return Checkpoint(log.name, 0, EMPTY_ROOT)
        return checkpoint.verify(path.read_bytes().decode("utf-8", "replace"), log)

    def keep(self, log: Verifier, signed: str) -> None:
        """Durable on return."""
        files.replace(self._path(log), signed.encode())

    def close(self) -> None:
        os.close(self._lock)

    def _path(self, log: Verifier) -> Path:
        return self._directory / files.log_name(log.name)


def make_key() -> Signer:
    """A witness's, named after itself."""
    return Signer.create(PREFIX, COSIGNATURE)
