"""The SHA-256 of a model's file, which is the model's identity in the ledger.

Hashing takes about a second a gigabyte or more, so digests are cached in one small file of the user's.

Covered: a file that changed since (its device, inode, size, mtime or ctime differ) is hashed again; so is
one that changes while it is hashed, or did so just before. A damaged or foreign cache is ignored. A model that is
loaded on demand is loaded from the very file that was hashed, if that has not changed (engine/dormant.py).
Not covered: who can write to the user's cache, or set the clock and write to the disk below the file
system, can have an old digest believed. A file replaced between its hashing and its loading at start is not noticed.
With `use_cache=False` the first of these goes away, and what is found is what the cache then says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from io import BufferedReader
from pathlib import Path
from typing import Any

from noghost.errors import WeightsError
from noghost.weights.file import WeightsFile, again
from noghost.weights.names import is_sha256

CACHE_VERSION = 1
MAX_CACHE_BYTES = 1 << 20
MAX_CACHE_ENTRIES = 256
# Two writes within one tick of the clock leave the same mtime and ctime; a file this young is not cached.
SETTLED_NS = 2_000_000_000

Key = list[int]  # device, inode, size in bytes, mtime in ns, ctime in ns


def digest(path: str | Path, *, use_cache: bool = True) -> str:
    """Return the SHA-256 of a file in hex. Raises WeightsError if it cannot be read, or changes meanwhile."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _digest(file, path, use_cache)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        strerror = error.strerror if isinstance(error, OSError) else None
        reason = (strerror or "the path is not valid").lower()
        raise WeightsError(f"could not read the model {path}: {reason}", "check the path") from error


def _digest(file: BufferedReader, path: Path, use_cache: bool) -> str:
    key, real = _key(file), str(path.resolve())
    cached = _load().get(real) if use_cache else None
    if cached and cached[0] == key:
        return cached[1]
    value = hashlib.file_digest(file, "sha256").hexdigest()
    if _key(file) != key:
        raise WeightsError(f"the model {path} changed while it was read", "wait until it is complete")
    if time.time_ns() - max(key[3:]) > SETTLED_NS:
        _store(real, key, value)
    return value


def remember(path: Path, sha256: str) -> None:
    """Put the digest of a file into the cache that was hashed while it was written, so that no start does it again.

    For one that its writer has closed, under a name that nobody else writes to: it need not settle.
    """
    with contextlib.suppress(OSError), path.open("rb") as file:
        _store(str(path.resolve()), _key(file), sha256)


def verify(weights: WeightsFile, *, use_cache: bool = True) -> str:
    """Return the digest of `weights`. Raises WeightsError, with both digests, if another one is pinned."""
    actual = digest(weights.path, use_cache=use_cache)
    if weights.sha256 is not None and actual != weights.sha256:
        other = "get it again (see docs/models.md), or name its path to use it as it is"
        raise WeightsError(
            f"the model {weights.path} is not the one pinned: its sha256 is {actual}, not {weights.sha256}",
            again(weights.name) if weights.prepared else other,
        )
    return actual


def open_verified(weights: WeightsFile, sha256: str) -> int:
    """A descriptor of the very file that has this digest, to be kept open. Raises WeightsError where another has come
    in its place since it was hashed."""
    try:
        with weights.path.open("rb") as file:
            if _digest(file, weights.path, use_cache=True) == sha256:
                return os.dup(file.fileno())
    except OSError as error:
        raise WeightsError(f"could not read the model {weights.path}: {error.strerror}", "check the path") from error
    raise WeightsError(f"the model {weights.path} changed while it was read", "wait until it is complete")


def read_ahead(path: Path) -> None:
    """Have the kernel bring the beginning of a file into its cache meanwhile, the vocabulary of a model.

    The kernel takes one such advice for no more than a device's read_ahead_kb (mm/readahead.c: force_page_cache_ra). To
    ask for all of 90 MB in pieces takes 25 ms, and gained nothing: what computes reads the rest as fast.
    """
    with contextlib.suppress(OSError), path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def cache_path() -> Path:
    """Where the digests are kept: `$XDG_CACHE_HOME/noghost/digests.json`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base.startswith("/") else Path("~/.cache").expanduser()  # XDG: relative is invalid
    return home / "noghost" / "digests.json"


def _key(file: BufferedReader) -> Key:
    facts = os.fstat(file.fileno())
    return [facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]


def _load() -> dict[str, tuple[Key, str]]:
    """Return the cache, or an empty one if it is missing, damaged, or another user could have written it."""
    try:
        with cache_path().open("rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return {}
            return _parse(json.loads(file.read(MAX_CACHE_BYTES)))
    except (OSError, ValueError, RuntimeError):  # not JSON or not UTF-8; nested too deep, or no home directory
        return {}


def _parse(document: Any) -> dict[str, tuple[Key, str]]:
    """Return the well-formed entries of the cache's JSON document, and none of the others."""
    if not isinstance(document, dict) or document.get("version") != CACHE_VERSION:
        return {}
    entries = document.get("digests")
    return {
        path: (entry["key"], entry["sha256"])
        for path, entry in (entries.items() if isinstance(entries, dict) else ())
        if isinstance(entry, dict) and isinstance(entry.get("key"), list) and is_sha256(entry.get("sha256"))
    }


def _store(real: str, key: Key, value: str) -> None:
    """Put one digest into the cache, replacing the file atomically. A cache that cannot be written is none."""
    entries = _load()
    entries.pop(real, None)
    while len(entries) >= MAX_CACHE_ENTRIES:
        del entries[next(iter(entries))]  # the oldest: a dict and JSON keep the order
    entries[real] = (key, value)
    digests = {path: {"key": entry_key, "sha256": sha256} for path, (entry_key, sha256) in entries.items()}
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home directory
        replace_file(cache_path(), json.dumps({"version": CACHE_VERSION, "digests": digests}).encode())


def replace_file(target: Path, data: bytes) -> None:
    """Write `data` to a new file (0600, as mkstemp makes it) and put it in the place of `target`."""
    import tempfile  # 5 ms of every start, and written to in few

    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=target.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
