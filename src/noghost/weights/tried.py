"""Which weights llama.cpp has been seen to survive, so that engine/trial.py tries each of them once.

Kept beside the cache of the digests, one line for each: the weights' SHA-256 and the build that loaded them.

Covered: other weights, or another build, are tried again. A file that is damaged or cannot be written is none.
Not covered: who can write to the user's cache can spare a file its trial, and the look at its structure; llama.cpp
then meets it untried.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from noghost.weights import digest

MOST_LINES = 256
MOST_BYTES = 1 << 20


def is_known(sha256: str, build: str) -> bool:
    """Whether these weights were loaded with this build before."""
    return f"{sha256} {build}" in _read()


def remember(sha256: str, build: str) -> None:
    """They were; the oldest line goes when there are too many."""
    lines = [*_read()[1 - MOST_LINES :], f"{sha256} {build}"]
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home directory
        digest.replace_file(path(), "".join(f"{line}\n" for line in lines).encode())


def path() -> Path:
    """Where it is kept."""
    return digest.cache_path().with_name("tried")


def _read() -> list[str]:
    try:
        with path().open("rb") as file:
            return file.read(MOST_BYTES).decode("ascii").splitlines()
    except (OSError, ValueError, RuntimeError):  # ValueError: not ASCII
        return []
