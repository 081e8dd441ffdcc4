"""Weights of a voice that are pinned, file by file, and the one digest that the record names them by. In the parent of
such processes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from noghost.errors import WeightsError


def digest_of(pins: Mapping[str, str]) -> str:
    """SHA-256 of what sha256sum prints of them, in this order."""
    return hashlib.sha256("".join(f"{sha256}  {name}\n" for name, sha256 in pins.items()).encode()).hexdigest()


def check(name: str, data: bytes, pinned: str, install: str) -> None:
    """Raise WeightsError, with `install` as its hint, for bytes that are not the pinned ones."""
    actual = hashlib.sha256(data).hexdigest()
    if actual != pinned:
        raise WeightsError(f"the voice's {name} has the SHA-256 {actual}, not {pinned}", install)
