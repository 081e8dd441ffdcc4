"""A transcript on the disk. Every write is a new file under the old name: a crash leaves the one or the other, whole.

Covered: two writers (the second is refused), a file that an editor has changed (refused), a malformed file (refused).
Not covered: a name that is one of several hard links; the others keep the old file.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from noghost.client.transcript.head import fault
from noghost.client.transcript.transcript import Transcript
from noghost.client.transcript.turn import Turn
from noghost.errors import TranscriptChanged, TranscriptError
from noghost.ledger import files


class TranscriptFile:
    """One file, and what was last read from it or written to it. Every method raises TranscriptError."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._known: bytes | None = None

    def create(self, transcript: Transcript) -> None:
        """A new file, for its owner alone. One that is there already is left as it is, unless it is empty."""
        self._write(transcript.render(), b"", os.O_CREAT)

    def read(self) -> Transcript:
        """The transcript as it stands in the file now."""
        with reporting("read the transcript"):
            data = self.path.read_bytes()
        transcript = Transcript.parse(decoded(data))
        self._known = data
        return transcript

    def append(self, *turns: Turn) -> None:
        """Add turns at the end, all of them or none, durable on return.

        Raises TranscriptChanged if the file is not what this object has read or written last. Nothing is lost then:
        read again, and append again.
        """
        known = self.read() if self._known is None else Transcript.parse(decoded(self._known))
        known.turns += turns
        self.replace(known)

    def replace(self, transcript: Transcript) -> None:
        """Write the whole anew, in place of what was read; as `append` otherwise."""
        assert self._known is not None, "what was not read is not replaced"
        self._write(transcript.render(), self._known, 0)

    def is_changed(self) -> bool:
        """Whether somebody else has written to the file since."""
        with reporting("read the transcript"):
            return self.path.read_bytes() != self._known

    def _write(self, text: str, old: bytes, flags: int) -> None:
        """`text` in place of `old`, under the lock."""
        data = encoded(text)
        Transcript.parse(text)  # never write what could not be read
        with self._locked(flags) as descriptor, reporting("write the transcript"):
            was, target = os.fstat(descriptor), self.path.resolve()
            if not same(was, target.stat()) or read_all(descriptor) != old:
                raise _changed(self.path, existed=bool(old))
            self._exchange(was, target, data)

    def _exchange(self, was: os.stat_result, target: Path, data: bytes) -> None:
        """The new file gets the old one's name and mode, if that is still the old one's at the last moment.

        Whoever has the lock of the file that has the name is alone, so one temporary name is enough.
        """
        temporary = target.with_name(f".{target.name}.noghost")
        files.write_durably(temporary, data, stat.S_IMODE(was.st_mode))
        if not same(was, target.stat()):
            with suppress(OSError):
                temporary.unlink()
            raise _changed(self.path, existed=True)
        temporary.replace(target)
        self._known = data
        files.sync_directory(target.parent)

    @contextmanager
    def _locked(self, flags: int) -> Iterator[int]:
        """The file, open and locked; at once or not at all."""
        with reporting("open the transcript for writing"):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | flags, files.FILE_MODE)
        try:
            lock(descriptor, self.path)
            yield descriptor
        finally:
            os.close(descriptor)


def lock(descriptor: int, path: Path) -> None:
    """At once or not at all; of a regular file alone."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise TranscriptError(f"cannot write the transcript: {path} is no regular file")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        reason = f"cannot write the transcript: another process writes to {path}"
        raise TranscriptError(reason, "wait for it, then read it again") from None


@contextmanager
def reporting(attempt: str) -> Iterator[None]:
    """Raise TranscriptError("cannot <attempt>: …") for an OSError inside."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise TranscriptError(f"cannot {attempt}: {reason}", "check the path, its permissions and the space") from None


def same(was: os.stat_result, now: os.stat_result) -> bool:
    """The same file, and nobody has written to it."""
    return all(getattr(was, name) == getattr(now, name) for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns"))


def read_all(descriptor: int) -> bytes:
    """From its beginning; the descriptor stays open."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read()


def decoded(data: bytes) -> str:
    """Raises TranscriptError for bytes that are no UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise fault(data[: error.start].count(b"\n") + 1, "it is not UTF-8") from None


def encoded(text: str) -> bytes:
    """Raises TranscriptError for half of a surrogate pair, which JSON can hold and UTF-8 cannot."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text[: error.start].count("\n") + 1
        raise TranscriptError(
            f"cannot write the transcript: line {line}: half of a surrogate pair", line=line
        ) from None


def _changed(path: Path, *, existed: bool) -> TranscriptError:
    if not existed:
        return TranscriptError(f"cannot make the transcript: there is something in {path} already", "name a new file")
    return TranscriptChanged(f"cannot write the transcript: {path} was changed since it was read", "read it again")
