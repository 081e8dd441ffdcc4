"""A model's file AT REST that is not complete: KEY.part in the store's folder, held by one process.

Covered: two processes never write to one; what is not complete is never found as a model, since it has another suffix.
Not covered: who can write files as this user can write these.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from noghost.errors import WeightsError
from noghost.ledger.files import FILE_MODE, make_directory, write_all
from noghost.weights import prepared


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A file that is being written: held by this process alone as long as it is open."""

    path: Path
    descriptor: int

    @property
    def size_bytes(self) -> int:
        """What is there by now."""
        return os.fstat(self.descriptor).st_size

    def read(self, most_bytes: int, at: int) -> bytes:
        """What stands there, from a position on. Raises WeightsError."""
        with writing():
            return os.pread(self.descriptor, most_bytes, at)

    def write(self, data: bytes, at: int) -> None:
        """Put all of it there. Raises WeightsError, of a full disk above all."""
        with writing():
            write_all(self.descriptor, data, at)

    def truncate(self) -> None:
        """Forget what is there. Raises WeightsError."""
        with writing():
            os.ftruncate(self.descriptor, 0)


def folder() -> Path:
    """Where all files lie."""
    return prepared.folder() / "files"


def make_folder() -> Path:
    """The folder of all files, made where it is not there. Raises WeightsError."""
    with writing():
        make_directory(folder())
    return folder()


def path_of(key: str) -> Path:
    """Where a file lies until it is complete."""
    return folder() / f"{key}{prepared.UNFINISHED}"


def bytes_of(key: str) -> int:
    """What is there of it."""
    path = path_of(key)
    return path.stat().st_size if path.is_file() else 0


@contextmanager
def unfinished(key: str) -> Iterator[Unfinished]:
    """The file KEY.part, with what an earlier process has left in it; gone at the end if it is empty.

    Raises WeightsError while another process holds it.
    """
    make_folder()
    path = path_of(key)
    with writing():
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    try:
        if not _is_ours(fd, path):
            raise WeightsError("another process is getting this model", "wait for it")
        try:
            yield Unfinished(path, fd)
        finally:
            if os.fstat(fd).st_size == 0:
                path.unlink(missing_ok=True)
    finally:
        os.close(fd)


@contextmanager
def scratch(key: str) -> Iterator[Unfinished]:
    """The same, empty, and removed again by any error: nothing goes on with it. Raises WeightsError."""
    with unfinished(key) as file:
        try:
            file.truncate()
            yield file
        except BaseException:
            file.path.unlink(missing_ok=True)
            raise


def _is_ours(fd: int, path: Path) -> bool:
    """Lock it; and it must still have its name, which a process that finished it has taken away."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def leftover_bytes() -> int:
    """What lies there of all that is not complete."""
    return sum(path.stat().st_size for path in folder().glob(f"*{prepared.UNFINISHED}"))


@contextmanager
def writing() -> Iterator[None]:
    """Tell an OSError as WeightsError."""
    try:
        yield
    except OSError as error:
        hint = f"check free space and owner of {prepared.folder()}; a download goes on where it ended"
        raise WeightsError(f"could not write the model: {(error.strerror or str(error)).lower()}", hint) from error
