"""An Ed25519 key: the signer that the reaper holds, or a witness; the verifier that everyone may hold.

The texts are those of C2SP signed-note and of the Go implementation that it describes:
`<name>+<key id>+<base64>` for a verifier, `PRIVATE+KEY+<name>+<key id>+<base64>` for a signer.
`cryptography` is imported on first use: it costs 14 ms and 10 MB, which reading a ledger does not need.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from noghost.errors import LedgerError, VerificationError
from noghost.ledger import files

ED25519 = b"\x01"  # signature type byte, C2SP signed-note: a log's key
COSIGNATURE = b"\x04"  # the same, C2SP tlog-cosignature: a witness's key
SEED_BYTES = 32
NAME = re.compile(r"[^\s+\x00-\x20\ud800-\udfff]{1,128}")  # half of a surrogate pair has no bytes to hash
_SKEY_PREFIX = "PRIVATE+KEY+"


def encode64(data: bytes) -> str:
    """Standard base64 of RFC 4648, section 4."""
    return base64.b64encode(data).decode("ascii")


def decode64(text: str) -> bytes:
    """The bytes of canonical base64 only, so that no two texts mean the same. Raises LedgerError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if encode64(data) != text:
        raise LedgerError("cannot read a base64 value: it is not canonical", "the text was changed or cut")
    return data


def key_id(name: str, public: bytes, kind: bytes = ED25519) -> bytes:
    """First 4 bytes of SHA-256(name || newline || type || public key), as signed-note recommends."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key name with its 32 bytes of Ed25519 public key. `kind` is its type: a log's, or a witness's."""

    name: str
    public: bytes
    kind: bytes = ED25519

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, self.public, self.kind)

    def render(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode64(self.kind + self.public)}"

    @classmethod
    def parse(cls, vkey: str, kind: bytes = ED25519) -> Verifier:
        """Raises LedgerError for anything but the one text of an Ed25519 verifier key of this kind."""
        name, _, rest = vkey.partition("+")
        data = decode64(rest.partition("+")[2])
        if NAME.fullmatch(name) and data[:1] == kind and len(data) == 1 + SEED_BYTES:
            verifier = cls(name, data[1:], kind)
            if verifier.render() == vkey:
                return verifier
        raise LedgerError("cannot read the verifier key: it is malformed", "expected name+hash+base64")

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises VerificationError if the signature is not this key's over this message."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise VerificationError(
                "cannot verify the checkpoint: the signature does not hold",
                "the text was changed after it was signed, or signed by another key",
            ) from None


@dataclass(frozen=True, slots=True)
class Signer:
    """A key name with its 32 bytes of Ed25519 seed. The seed never stands in a repr."""

    name: str
    seed: bytes = field(repr=False)
    kind: bytes = ED25519

    @classmethod
    def create(cls, prefix: str = "noghost.local/", kind: bytes = ED25519) -> Signer:
        """A fresh key, named after itself so that no two ledgers share an origin."""
        seed = secrets.token_bytes(SEED_BYTES)
        fingerprint = hashlib.sha256(_public(seed)).hexdigest()[:8]
        return cls(f"{prefix}{fingerprint}", seed, kind)

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, _public(self.seed), self.kind)

    def render(self) -> str:
        return f"{_SKEY_PREFIX}{self.name}+{self.verifier.key_id.hex()}+{encode64(self.kind + self.seed)}"

    @classmethod
    def parse(cls, skey: str, kind: bytes = ED25519) -> Signer:
        """Raises LedgerError, without a byte of the key in its message."""
        name, _, rest = skey.removeprefix(_SKEY_PREFIX).partition("+")
        data = decode64(rest.partition("+")[2])
        if NAME.fullmatch(name) and data[:1] == kind and len(data) == 1 + SEED_BYTES:
            signer = cls(name, data[1:], kind)
            if signer.render() == skey:
                return signer
        raise LedgerError("cannot read the signing key: it is malformed", "restore it from a backup")

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519 signature, RFC 8032; deterministic."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


def load_signer(path: Path, make: Callable[[], Signer], kind: bytes = ED25519, *, needed: bool) -> Signer:
    """The key in a file; where there is none, a new one, unless what lies beside it needs the old one.

    Raises LedgerError, and OSError where the disk is at fault.
    """
    if not path.exists():
        if needed:
            raise LedgerError(f"cannot open {path.parent}: its key is missing", f"restore {path} from a backup")
        files.replace(path, f"{make().render()}\n".encode())
    if path.stat().st_mode & 0o077:
        raise LedgerError(f"cannot open {path.parent}: others may read its key", f"run `chmod 600 {path}`")
    return Signer.parse(path.read_bytes().decode("ascii", "replace").removesuffix("\n"), kind)


def _public(seed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
