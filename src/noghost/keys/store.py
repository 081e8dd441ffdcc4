"""The file of salted hashes: one line a key, written whole or not at all. On the command line, and read in the warden.

    noghost-keys-v1
    k3vq7x2a 2026-01-31T23:59Z scrypt:1024:8:1 <salt, 32 hex digits> <hash, 64 hex digits> Anna's laptop

Covered: a crash, a full disk or a second writer leaves the old file or the new one; a file that cannot be read to its
last byte is refused with its line and never written over; a file that another user owns or may write is refused.
Not covered: who may write to the folders above it; an old copy that was put back, and with it a key that was revoked.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from noghost.config import data_dir
from noghost.errors import ConfigError
from noghost.keys.key import Cost, Entry, mint
from noghost.ledger.files import exclusive, make_directory, open_lock, replace

HEAD = "noghost-keys-v1"
MOST_BYTES = 1 << 20
NAME_CHARS = 64
LINE = re.compile(
    r"(?P<id>[a-z2-7]{8}) (?P<minute>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z) "
    r"scrypt:(?P<n>[1-9][0-9]{0,5}):(?P<r>[1-9][0-9]?):(?P<p>[1-9][0-9]?) "
    r"(?P<salt>[0-9a-f]{32}) (?P<digest>[0-9a-f]{64}) (?P<name>.+)",
)
HINT = "restore it from a backup, or move it away and make new keys with `noghost keys add NAME`"
WRITE_HINT = "check free space, quota and permissions of its folder"


def default_path() -> Path:
    """Where the hashes lie."""
    return data_dir() / "keys" / "hashes"


class Store:
    """One file of hashes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> dict[str, Entry]:
        """By id, in the order in which they were made; none where there is no file. Raises ConfigError."""
        try:
            return parse(read(self._path)[0], self._path)
        except FileNotFoundError:
            return {}

    def add(self, name: str) -> tuple[str, Entry]:
        """(a new key, its entry, which is on the disk). Raises ConfigError; then nothing has changed."""
        if not is_name(name):
            raise ConfigError(
                "this is no name for a key", f"take 1 to {NAME_CHARS} printable characters, no space at either end"
            )
        with self._writing() as entries:
            if any(name == entry.name for entry in entries.values()):
                raise ConfigError(f"there is a key named {name} already", "take another name, or revoke that one first")
            key = mint()
            entry = Entry.of(key, name, datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"))
            if entry.id in entries:
                raise ConfigError("the new key's id is taken, by a chance of 1 in 2^40", "try again")
            entries[entry.id] = entry
        return key, entry

    def revoke(self, target: str) -> Entry:
        """Remove the key of that id or name; gone from the disk on return. Raises ConfigError."""
        with self._writing() as entries:
            found = [entry for entry in entries.values() if target in (entry.id, entry.name)]
            if len(found) != 1:
                count = "no key" if not found else "more than one key"
                raise ConfigError(f"{count} has that id or name", "`noghost keys list` shows them; give an id")
            return entries.pop(found[0].id)

    @contextmanager
    def _writing(self) -> Iterator[dict[str, Entry]]:
        """The entries, to be changed; written at the end, unless there was an error. One writer at a time."""
        try:
            make_directory(self._path.parent)
            lock = open_lock(self._path.with_name("lock"))
        except OSError as error:
            raise ConfigError(f"cannot lock {self._path}: {error.strerror}", WRITE_HINT) from error
        try:
            with exclusive(lock):
                entries = self.entries()
                yield entries
                self._write(render(entries))
        finally:
            os.close(lock)

    def _write(self, data: bytes) -> None:
        if len(data) > MOST_BYTES:
            raise ConfigError(f"{self._path} would be over {MOST_BYTES} bytes", "revoke keys that nobody uses")
        try:
            replace(self._path, data)
        except OSError as error:
            raise ConfigError(f"cannot write {self._path}: {error.strerror}", WRITE_HINT) from error


def is_name(name: str) -> bool:
    """1 to 64 printable characters, no space at either end."""
    return 0 < len(name) <= NAME_CHARS and name.isprintable() and name == name.strip()


def read(path: Path) -> tuple[bytes, os.stat_result]:
    """The file's bytes, and what they were read from. Raises FileNotFoundError, or ConfigError for all else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not stop the warden
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            check_owner(status, path)
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "check its owner and mode") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path} is over {MOST_BYTES} bytes", HINT)
    return data, status


def check_owner(status: os.stat_result, path: Path) -> None:
    """Raise ConfigError unless only this user, or root, can have written the file: who writes it lets himself in."""
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{path} is not a file", HINT)
    if status.st_uid not in (os.geteuid(), 0) or status.st_mode & 0o022:
        raise ConfigError(f"{path} can be written by another user", f"chmod 600 {path}, and see who its owner is")


def parse(data: bytes, path: Path) -> dict[str, Entry]:
    """Entries by id. Raises ConfigError with the line for whatever `render` would not write."""
    try:
        head, *lines, rest = data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise unreadable(path, data.count(b"\n", 0, error.start) + 1) from None
    except ValueError:  # not even one line
        raise unreadable(path, 1) from None
    if head != HEAD:
        raise unreadable(path, 1)
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines, 2):
        entry = parse_line(line)
        if entry is None or entry.id in entries:
            raise unreadable(path, number)
        entries[entry.id] = entry
    if rest:
        raise unreadable(path, len(lines) + 2)
    return entries


def parse_line(line: str) -> Entry | None:
    """One entry; None for whatever is not exactly one."""
    found = LINE.fullmatch(line)
    if found is None or not is_name(found["name"]):
        return None
    cost = Cost(int(found["n"]), int(found["r"]), int(found["p"]))
    salt, digest = bytes.fromhex(found["salt"]), bytes.fromhex(found["digest"])
    return Entry(found["id"], found["minute"], found["name"], salt, digest, cost) if cost.sane else None


def unreadable(path: Path, line: int) -> ConfigError:
    """The error for it; never what stands in the line."""
    return ConfigError(f"cannot read the keys: line {line} of {path} is not as it was written", HINT)


def render(entries: dict[str, Entry]) -> bytes:
    """The file's bytes."""
    return "".join([f"{HEAD}\n", *(f"{render_line(entry)}\n" for entry in entries.values())]).encode()


def render_line(entry: Entry) -> str:
    """One entry, without its newline."""
    cost = f"scrypt:{entry.cost.n}:{entry.cost.r}:{entry.cost.p}"
    return f"{entry.id} {entry.minute} {cost} {entry.salt.hex()} {entry.digest.hex()} {entry.name}"
