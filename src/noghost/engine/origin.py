"""What a KV state depends on besides its tokens, and the errors for one that is not of here. PURE.

Apart from capsule.py, so that a command that seals nothing does not import what seals.
"""

from __future__ import annotations

from dataclasses import dataclass

from noghost.errors import RequestError


@dataclass(frozen=True, slots=True)
class Origin:
    """What a state depends on besides its tokens: with any of it different, it is another state."""

    weights: bytes  # SHA-256 of the model file
    build: bytes  # SHA-256 of the engine build
    k_type: int  # enum ggml_type of ggml.h
    v_type: int
    flash_attention: int  # 1: rows of V lie as rows of K do
    long_context: int  # 1: the context is longer than the model's original one, where it names one


def check_origin(found: Origin, here: Origin) -> None:
    """Raise RequestError `capsule_mismatch`, which names what differs, unless they are the same."""
    for name in ("weights", "build"):
        if getattr(found, name) != getattr(here, name):
            raise mismatch({"weights": "another model", "build": "another build of the engine"}[name])
    if found != here:
        raise mismatch("a context with other parameters")


def mismatch(of: str) -> RequestError:
    """A capsule that is right, and not for here."""
    message = f"the capsule is of {of}; leave it out, and take a new one"
    return RequestError(message, status=409, code="capsule_mismatch")


def malformed(why: str) -> RequestError:
    """What no service of ours has sealed. `why` is one of our own sentences."""
    return RequestError(f"this is not a capsule: {why}", code="capsule_malformed")
