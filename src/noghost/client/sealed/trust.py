"""Whose signature a caller takes for that of a service: the key in a file, or the one that was met first there.

Covered: another key than the one that is known stops the exchange before anything is sealed, and both are shown.
Not covered: the first look, where no key was given.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from noghost.client.receipts import default_seen_dir, pin_of, pinned
from noghost.errors import ConfigError, LedgerError, VerificationError
from noghost.ledger.keys import Verifier


class Trust:
    """The key of the service at one address. Without `vkey`, the one pinned for it in `seen_dir`, or pinned now."""

    def __init__(self, url: str, vkey: str | None = None, seen_dir: Path | None = None) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        self._given = vkey
        self._vkey = vkey
        self._pin = pin_of(seen_dir or default_seen_dir(), "sealed", self._url.encode())

    def check(self, met: Verifier) -> None:
        """Raises VerificationError for another key."""
        self._vkey = self._vkey or pinned(self._pin, met.render())
        known = Verifier.parse(self._vkey)
        if known.public != met.public:
            where = "--service-key names" if self._given else "it had before"
            hint = "ask who runs it; somebody may be in between"
            raise VerificationError(
                f"the service at {self._url} signs with another key than the one that {where}: "
                f"sha256 {fingerprint(known)} is known, sha256 {fingerprint(met)} came",
                hint if self._given else f"{hint}. If the change is right, remove {self._pin}",
            )


def fingerprint(verifier: Verifier) -> str:
    """SHA-256 of the public key, hex."""
    return sha256(verifier.public).hexdigest()


def read_key(path: Path) -> str:
    """The verifier key in a file, as `noghost receipts checkpoint` prints it. ConfigError."""
    try:
        return Verifier.parse(path.read_text("ascii").strip().removeprefix("key ")).render()
    except (OSError, UnicodeDecodeError, LedgerError):
        hint = "it is the line that `noghost receipts checkpoint` begins with `key` on that machine"
        raise ConfigError(f"cannot read a service's key from {path}", hint) from None
