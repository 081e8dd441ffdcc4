"""Models that were pulled or added, AT REST: files by their SHA-256, and for each name what is known of it.

    $XDG_DATA_HOME/noghost/models/files/SHA256.gguf     mode 0600, in a folder of mode 0700
    $XDG_DATA_HOME/noghost/models/files/KEY.part        one that is not complete; a download goes on with it
    $XDG_DATA_HOME/noghost/models/names/NAME.json       its digest, where it is from, its licence

Covered: nothing that comes from elsewhere becomes part of a path, but a digest of 64 hex digits; a file is there as a
whole or not at all, and pinned by its digest (digest.py verifies); a name never comes to mean another file by itself.
Not covered: who can write files as this user can write all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from noghost.errors import WeightsError
from noghost.ledger.files import exclusive, make_directory, open_lock, sync_directory
from noghost.weights import digest, prepared
from noghost.weights.names import ABOUT, check_name, is_name, is_sha256, known, names_in, write_about
from noghost.weights.unfinished import Unfinished, folder, writing


@dataclass(frozen=True, slots=True)
class Stored:
    """One of them. Digests in hex."""

    name: str
    sha256: str
    size_bytes: int
    source: str  # hf:OWNER/REPO:FILE, https://…, or the name of a file that was added
    published: list[str]  # the digests of the files as they were published; several where they were joined
    licence: str | None
    added: str  # the day, ISO 8601, UTC

    @property
    def path(self) -> Path:
        """Where its weights lie."""
        return path_of(self.sha256)


def names_folder() -> Path:
    """Where it is known which file a name means."""
    return prepared.folder() / "names"


def path_of(sha256: str) -> Path:
    """Where the file with that digest lies, or would. Raises WeightsError for what is no digest."""
    if not is_sha256(sha256):
        raise WeightsError("this is no SHA-256", "give 64 hex digits, lower case")
    return folder() / f"{sha256}{prepared.WEIGHTS}"


def keep(whole: Unfinished, record: Stored) -> None:
    """Give a complete file its place and its name. Its digest is not computed again. Raises WeightsError."""
    with changing():
        os.fsync(whole.descriptor)
        whole.path.replace(record.path)
        sync_directory(folder())
        digest.remember(record.path, record.sha256)
        write_about(about(record.name), record)


def name_again(record: Stored) -> None:
    """Another name for a file that is there. Raises WeightsError."""
    with changing():
        write_about(about(record.name), record)


def get(name: str) -> Stored:
    """The one of that name. Raises WeightsError."""
    check_name(name)
    unreadable = WeightsError(f"could not read what is known of the model {name}", "remove it, and pull it again")
    return known(about(name), Stored, name, unreadable)


def named(name: str) -> Stored | None:
    """The one of that name, or None. Raises WeightsError."""
    name = name.lower()
    return get(name) if is_name(name) and about(name).is_file() else None


def names() -> list[str]:
    """All names, sorted."""
    return names_in(names_folder())


def all_stored() -> Iterator[Stored]:
    """All that can be read."""
    for name in names():
        try:
            yield get(name)
        except WeightsError:
            continue


def there(published: list[str]) -> str | None:
    """The digest of what was made of these very files, if that is there as it was; else None."""
    made = published if len(published) == 1 else [one.sha256 for one in all_stored() if one.published == published]
    return next((sha256 for sha256 in made if is_whole(sha256)), None)


def is_whole(sha256: str) -> bool:
    """Whether the file with that digest is there, and as it was."""
    path = path_of(sha256)
    return path.is_file() and digest.digest(path) == sha256


def remove(name: str) -> None:
    """Remove the name, and the file where no other name means it. Raises WeightsError."""
    check_name(name)
    with changing():
        sha256 = _digest_of(name)
        about(name).unlink()
        if sha256 and all(one.sha256 != sha256 for one in all_stored()):
            path_of(sha256).unlink(missing_ok=True)


def _digest_of(name: str) -> str | None:
    """Of the file that a name means; None where that cannot be read: the name can still be removed."""
    try:
        return get(name).sha256
    except WeightsError:
        if not about(name).is_file():
            raise
        return None


def about(name: str) -> Path:
    """Where it is known what a name means."""
    return names_folder() / f"{name}{ABOUT}"


@contextmanager
def changing() -> Iterator[None]:
    """Change names and files, one process at a time. Raises WeightsError."""
    with writing():
        for path in (folder(), names_folder()):
            make_directory(path)
        fd = open_lock(prepared.folder() / "lock")
        try:
            with exclusive(fd):
                yield
        finally:
            os.close(fd)
