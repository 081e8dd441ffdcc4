"""What must not be the same in two instances: random state and names. In the instance, after confinement."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """An invocation's own name, made by the instance; says nothing about the request."""

    invocation: bytes

    @property
    def hex(self) -> str:
        """32 lower-case hexadecimal digits."""
        return self.invocation.hex()


def reseed() -> Identity:
    """Seed every random source of this process from the kernel (fork copied the warden's), and take a name."""
    random.seed(os.urandom(32))
    return Identity(os.urandom(ID_BYTES))


def fresh_seed() -> int:
    """A sampling seed for a request that names none, in 0 .. 2^32 - 2 (llama.cpp takes the last as "random")."""
    return int.from_bytes(os.urandom(4)) % (2**32 - 1)
