"""The keys as the warden has them now. In the warden, before each fork: an instance inherits what holds at its birth.

An instance opens no file, so the hashes must be in the process that it is forked from. Whether the file is another one
now costs a stat (2.5 µs); it is read again only then.

Covered: a key that was added or revoked counts from the next connection on, without a restart; while the file cannot
be read, nobody is let in, and the log says so once.
Not covered: an instance that was born before a key was revoked ends its answer.
"""

from __future__ import annotations

import os
from pathlib import Path

from noghost.errors import ConfigError
from noghost.keys.key import Keys
from noghost.keys.store import parse, read
from noghost.log import Event, log

UNREADABLE = Keys(readable=False)
Signature = tuple[int, int, int, int]


class Ring:
    """One per service. `now` is what an instance that is born now goes by."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError when the file cannot be read, and when there is no key."""
        self._path = path
        try:
            self._load()
        except FileNotFoundError:
            self.now = Keys()
        if not len(self.now):
            raise ConfigError("this service asks for API keys and there is none", "make one: noghost keys add NAME")

    def refresh(self) -> None:
        """Read the file again if it has changed, or could not be read the last time. Raises nothing."""
        if self.now.readable and self._signature() == self._read_from:
            return
        was_readable = self.now.readable
        try:
            self._load()
        except (OSError, ConfigError):
            self.now = UNREADABLE
            if was_readable:
                log(Event.KEYS_UNREADABLE)
        else:
            log(Event.KEYS_READ, count=len(self.now))

    def _load(self) -> None:
        data, status = read(self._path)
        self.now, self._read_from = Keys(parse(data, self._path)), signature(status)

    def _signature(self) -> Signature | None:
        """Of the file that is there now; None when there is none."""
        try:
            return signature(self._path.stat())
        except OSError:
            return None


def signature(status: os.stat_result) -> Signature:
    """What differs between two versions of a file: `ctime` also when only the mode or the owner has changed."""
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
