"""Small file duties of the store: atomic replacement, locks, and OSError told as LedgerError."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from noghost.errors import LedgerError

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


@contextmanager
def reporting(attempt: str) -> Iterator[None]:
    """Raise LedgerError("cannot <attempt>: ...") for an OSError inside."""
    try:
        yield
    except OSError as error:
        hint = "check free space, quota and permissions of the ledger directory"
        raise LedgerError(f"cannot {attempt}: {error.strerror or error}", hint) from error


def log_name(origin: str) -> str:
    """The name of a file about the log `origin`."""
    from urllib.parse import quote  # here: warden and reaper have no use for it, and would keep it

    return f"log-{quote(origin, safe='')[:200]}"


def make_directory(path: Path) -> None:
    """Create with mode 0700, parents too, and make the name durable."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        try:
            sync_directory(path.parent)
        except OSError:
            path.rmdir()  # so that the next try syncs its name
            raise


def sync_directory(path: Path) -> None:
    """fsync a directory, so that names made or renamed in it survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def try_room(path: Path, size_bytes: int) -> None:
    """Have the disk reserve so much under a name, and give it back. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        os.posix_fallocate(fd, 0, size_bytes)
    finally:
        os.close(fd)
        path.unlink()


def replace(path: Path, data: bytes) -> None:
    """Write a file so that any crash leaves either the old one or the new one. Raises OSError.

    Every caller holds the ledger's lock, so one temporary name for each file is enough.
    """
    temporary = path.with_name(path.name + ".tmp")
    write_durably(temporary, data)
    temporary.replace(path)
    sync_directory(path.parent)


def write_durably(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file anew, of that mode, whose name nobody relies on; no part of one stays. Raises OSError."""
    path.unlink(missing_ok=True)  # of a crash, or of somebody who would like to read along
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        if mode is not None:
            os.fchmod(fd, mode)
        write_all(fd, data, 0)
        os.fsync(fd)
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """pwrite until everything is written or the kernel says why not (OSError)."""
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def open_lock(path: Path) -> int:
    """A descriptor to lock with flock; not inherited over exec."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)


@contextmanager
def exclusive(fd: int) -> Iterator[None]:
    """Hold the lock; wait for it if another process has it."""
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


@contextmanager
def alone(fd: int) -> Iterator[bool]:
    """Turn a shared lock into an exclusive one if nobody else shares it; tell whether that worked.

    flock drops the shared lock before it takes the other (flock(2)), so for a moment this process is
    not counted as present. That is harmless before its first birth, which is when this is called.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        got = True
    except BlockingIOError:
        got = False
    try:
        yield got
    finally:
        fcntl.flock(fd, fcntl.LOCK_SH)
