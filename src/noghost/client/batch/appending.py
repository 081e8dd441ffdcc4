"""A file that only grows, a piece at a time, each on the disk before the next; on the caller's side.

Covered: a crash leaves whole pieces and at most one that is cut, which `cut` takes away; a piece that does not fit on
the disk leaves nothing of itself; two processes never append to one file.
Not covered: a disk that loses what it has said is there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from noghost.errors import BatchError
from noghost.ledger import files


class Appending:
    """Open, locked and at its end. One thread uses it at a time. Every method raises BatchError."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        """A new file; with `resume`, one that is there already as well."""
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if resume else os.O_EXCL)
        with reporting(path, "open"):
            if path.exists() and not resume:
                raise BatchError(f"there is {path} already", "go on with it: --resume; or name another with --out")
            self._fd = os.open(path, flags, files.FILE_MODE)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                files.sync_directory(path.parent)
            except BlockingIOError:
                os.close(self._fd)
                raise BatchError(f"another process writes to {path}", "wait for it, or end it") from None
            self._end = os.fstat(self._fd).st_size

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(where it ends, its bytes) of each line so far; the last may have no newline: a crash cut it."""
        end = 0
        with reporting(self.path, "read"), self.path.open("rb") as file:
            for line in file:
                end += len(line)
                yield end, line

    def cut(self, end: int) -> None:
        """Leave out what stands after `end`."""
        with reporting(self.path, "cut"):
            os.ftruncate(self._fd, end)
            os.fsync(self._fd)
        self._end = end

    def append(self, data: bytes) -> None:
        """On the disk on return; where that fails, nothing of it is in the file."""
        with reporting(self.path, "write to"):
            try:
                files.write_all(self._fd, data, self._end)
                os.fsync(self._fd)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._fd, self._end)
                raise
        self._end += len(data)

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._fd)


@contextmanager
def reporting(path: Path, attempt: str) -> Iterator[None]:
    """Raise BatchError for an OSError inside."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        hint = "check the path, its permissions and the space; what was answered is kept: go on with --resume"
        raise BatchError(f"could not {attempt} {path}: {reason}", hint) from None
