"""The caller's commitments: HMAC-SHA-256 over the bytes of a request's body, and over an answer's, under a kept key.

Covered: who has the key and the file can show that the receipt is of this request; who has neither learns nothing.
Not covered: a key that others know, or that was made from a word: requests could then be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Literal

from noghost.errors import ConfigError

KEY_BYTES = 32
Tied = Literal["holds", "broken", "not checked", "none"]  # "not checked" for want of the key; "none": there is none
KEY_TEXT = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}\n?")


def commitment(key: bytes, data: bytes) -> str:
    """64 hexadecimal digits; of a request, for the header `noghost-commitment`, `data` is the body exactly as sent."""
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def tie(wanted: str, key: bytes | None, data: bytes) -> Tied:
    """Whether `wanted`, from a receipt, is a commitment to `data`."""
    if wanted == "-":
        return "none"
    if key is None:
        return "not checked"
    return "holds" if hmac.compare_digest(commitment(key, data), wanted) else "broken"


def read_key(path: Path) -> bytes:
    """The key in a file of 64 hexadecimal digits; raises ConfigError."""
    try:
        text = path.read_bytes().decode("ascii", "replace")
    except OSError as error:
        raise ConfigError(f"could not read the commitment key: {error.strerror}", "make one with --new-key") from None
    if not KEY_TEXT.fullmatch(text):
        raise ConfigError(f"{path} holds no commitment key", "it is 64 lower-case hexadecimal digits")
    return bytes.fromhex(text.strip())


def make_key(path: Path) -> bytes:
    """A new key in a new file, for the owner alone; raises ConfigError where there is a file already."""
    key = secrets.token_bytes(KEY_BYTES)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key.hex() + "\n")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"could not make a commitment key in {path}: {reason}", "name a new file") from None
    return key
