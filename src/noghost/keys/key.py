"""An API key, and the salted hash that is all that is kept of it. Hashed in an instance, from a copy that dies with it.

    ng-k3vq7x2a-Zk0…                 ng-<id>-<32 random bytes as base64url>; the id is public, and finds the entry

The hash is scrypt (RFC 7914) of the key's whole text. Such functions are made slow so that guessable passwords are
guessed slowly. A key of 256 random bits is not guessed at any speed, and a limit on wrong attempts would add nothing:
2^40 of them a second for 10^9 years find it with a chance of 10^-48. So the cost is what one does not notice in a
request: N = 2^10, r = 8, p = 1 are 1 MiB and 1.7 ms where 2^14, the usual 16 MiB, are 32 ms. The memory is the
instance's own, and wiped with it.

Covered: from the hashes no key can be made; an id that nobody has costs the same scrypt as one that somebody has, and
digests are compared in constant time; no secret stands in a repr.
Not covered: whether an id exists is no secret (the command line lists them, and a key names its own); the key in the
memory of who makes it and who sends it.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from dataclasses import dataclass, field

SECRET_BYTES, SALT_BYTES, DIGEST_BYTES = 32, 16, 32
ID_BYTES = 5  # 8 characters of base32 without padding
KEY = re.compile(r"ng-(?P<id>[a-z2-7]{8})-[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cost:
    """The parameters of scrypt; it takes 128 * r * (n + p) bytes."""

    n: int = 1 << 10
    r: int = 8
    p: int = 1

    @property
    def sane(self) -> bool:
        """A cost that an instance can pay: n a power of two, at most 16 MiB."""
        return self.n.bit_count() == 1 and 2 <= self.n <= 1 << 14 and 1 <= self.r <= 8 and 1 <= self.p <= 4


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of a key."""

    id: str
    minute: str  # when it was made: 2026-01-31T23:59Z
    name: str  # the operator's word for its holder
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    cost: Cost = Cost()

    @classmethod
    def of(cls, key: str, name: str, minute: str) -> Entry:
        """The entry of a key that was just minted."""
        found = KEY.fullmatch(key)
        assert found is not None
        salt = os.urandom(SALT_BYTES)
        return cls(found["id"], minute, name, salt, digest(key, salt, Cost()))

    def matches(self, key: str) -> bool:
        """`key` is the one. In constant time."""
        return hmac.compare_digest(digest(key, self.salt, self.cost), self.digest)


def made_up() -> Entry:
    """An entry that no key matches."""
    return Entry("", "", "", os.urandom(SALT_BYTES), os.urandom(DIGEST_BYTES))


@dataclass(frozen=True, slots=True)
class Keys:
    """All entries, by id; `readable` is false while the file of them cannot be read, and nobody is let in."""

    entries: dict[str, Entry] = field(default_factory=dict, repr=False)
    readable: bool = True
    nobody: Entry = field(default_factory=made_up, repr=False)

    def __len__(self) -> int:
        return len(self.entries)

    def holds(self, key: str) -> bool:
        """`key` is one of these. Costs one scrypt whether its id is known or not; what has not even the form of a
        key costs none."""
        found = KEY.fullmatch(key)
        if found is None:
            return False
        entry = self.entries.get(found["id"])
        same = (entry or self.nobody).matches(key)
        return entry is not None and same


def mint() -> str:
    """A new key: 40 random bits of id, 256 of secret."""
    name = base64.b32encode(os.urandom(ID_BYTES)).decode().lower()
    secret = base64.urlsafe_b64encode(os.urandom(SECRET_BYTES)).decode().rstrip("=")
    return f"ng-{name}-{secret}"


def digest(key: str, salt: bytes, cost: Cost) -> bytes:
    """scrypt(key, salt) of 32 bytes. `cryptography` is imported at its first use: a service without keys needs none."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=DIGEST_BYTES, n=cost.n, r=cost.r, p=cost.p).derive(key.encode())
