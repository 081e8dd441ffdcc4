"""A template's KV state at rest: one file, named after everything that its bytes depend on.

    noghost-template-v1
    {"build": …, "model": …, "parameters": …, "state_bytes": …, "state_sha256": …, "tokens": …}
    <the tokens, 4 bytes each> <the state, as llama.cpp writes it>

llama.cpp's parser of a state does not check it, so nothing reaches that but bytes whose digest was verified.

Covered: a file that is damaged, truncated, of other weights, another build, other parameters or other tokens, or that
another user owns or may write, is refused. What was hashed is what is used: the file is read once, into memory.
Not covered: who can write files as this user can make a whole one, with its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path

from noghost.errors import NoghostError
from noghost.ledger.files import make_directory, replace

HEAD = b"noghost-template-v1\n"
MOST_HEADER_BYTES = 4096
SUFFIX = ".state"


class RefusedError(NoghostError):
    """A state's file is not what it must be. Never shown: the state is computed anew."""


@dataclass(frozen=True, slots=True)
class Key:
    """Everything that the bytes of a state depend on. Digests in hex."""

    model: str
    build: str
    parameters: str
    tokens: tuple[int, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over all of it, hex: the template's name in files and receipts."""
        return hashlib.sha256(HEAD + _json(self._facts()) + self.token_bytes).hexdigest()

    @property
    def token_bytes(self) -> bytes:
        """4 bytes a token, little-endian."""
        numbers = array("i", self.tokens)
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tobytes()

    def header(self, state: bytes) -> bytes:
        """The file's header for this state."""
        about: dict[str, str | int] = {"state_bytes": len(state), "state_sha256": hashlib.sha256(state).hexdigest()}
        return HEAD + _json(self._facts() | about) + b"\n"

    def _facts(self) -> dict[str, str | int]:
        facts: dict[str, str | int] = {"model": self.model, "build": self.build, "parameters": self.parameters}
        return facts | {"tokens": len(self.tokens)}


def path_of(folder: Path, digest: str) -> Path:
    """Where the state with this digest lies."""
    return folder / f"{digest}{SUFFIX}"


def write_state(folder: Path, key: Key, state: bytes) -> None:
    """Put a state at rest, mode 0600, whole or not at all. Raises OSError."""
    make_directory(folder)
    replace(path_of(folder, key.digest), key.header(state) + key.token_bytes + state)


def read_state(folder: Path, key: Key) -> bytes:
    """The state for exactly this key. Raises FileNotFoundError where there is none, RefusedError for all else."""
    try:
        data = _read(path_of(folder, key.digest))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RefusedError(f"cannot read a template's state: {error.strerror}") from error
    start = data.find(b"\n", len(HEAD), MOST_HEADER_BYTES) + 1
    state = data[start + len(key.token_bytes) :]
    if not start or data[:start] != key.header(state) or data[start : -len(state) or None] != key.token_bytes:
        raise RefusedError("a template's state is damaged, or another template's")
    return state


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise RefusedError("a template's state can be written by another user")
        return file.read()


def _json(facts: dict[str, str | int]) -> bytes:
    return json.dumps(facts, sort_keys=True).encode()
