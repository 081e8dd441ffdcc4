"""What the service signs about the one-time key of an instance: the opening of a sealed invocation (spec/sealed-v1.md).

Covered: every field has a form in which nothing else fits; a statement cannot be taken for a checkpoint, whose first
line is the name of a log, nor the other way round; nothing is handed out before the signature was verified.
Not covered: whether the service says the truth about itself; whose key it is that signed: the caller pins that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from noghost.errors import LedgerError
from noghost.ledger import note
from noghost.ledger.entry import FORMS
from noghost.ledger.keys import Signer, Verifier

FORMAT = "noghost-sealed/v1"
OPENING_MAX_BYTES = 65_000
VKEY = "vkey "
KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Statement:
    """That an instance made a key, of which service: `public` is 32 bytes of X25519; the others are as in a receipt's
    birth, `weights` those of every model of the service, in its order. Raises LedgerError for any other form."""

    id: str
    public: bytes
    release: str
    build: str
    policy: str
    weights: tuple[str, ...]

    def __post_init__(self) -> None:
        forms = [(name, getattr(self, name)) for name in ("id", "release", "build", "policy")]
        forms += [("weights", one) for one in self.weights]
        if len(self.public) != 32 or not self.weights or any(not FORMS[n].fullmatch(text) for n, text in forms):
            raise _malformed("a field has the wrong form")

    def render(self) -> str:
        """The text that is signed."""
        lines = [FORMAT, f"id {self.id}", f"key {self.public.hex()}", f"release {self.release}", f"build {self.build}"]
        lines += [f"policy {self.policy}", *(f"weights {one}" for one in self.weights)]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str) -> Statement:
        """From a text whose signature was verified. Raises LedgerError for any that `render` would not give."""
        pairs = [tuple(line.split(" ", 1)) for line in text.splitlines()[1:]]
        found = {pair[0]: pair[-1] for pair in pairs}
        if not KEY.fullmatch(found.get("key", "")):
            raise _malformed("it has no key")
        public = bytes.fromhex(found["key"])
        name, release, build, policy = (found.get(key, "") for key in ("id", "release", "build", "policy"))
        weights = tuple(pair[-1] for pair in pairs if pair[0] == "weights")
        statement = cls(name, public, release, build, policy, weights)
        if statement.render() != text:
            raise _malformed("it is not its one text")
        return statement

    def sign(self, signer: Signer) -> str:
        """The opening."""
        opening = f"{VKEY}{signer.verifier.render()}\n{note.sign(self.render(), signer)}"
        if len(opening) > OPENING_MAX_BYTES:
            raise LedgerError("the service has too many models to state in one opening")
        return opening


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement, and whose signature was verified."""

    statement: Statement
    verifier: Verifier


def verify(opening: bytes) -> Stated:
    """The statement of an opening, signed by the key that the opening names, which the caller has yet to recognise.

    Raises LedgerError for what is no opening, VerificationError where the signature does not hold.
    """
    if len(opening) > OPENING_MAX_BYTES or not opening.startswith(VKEY.encode()):
        raise _malformed("it does not begin as one, or is too long")
    try:
        first, _, signed = opening.decode("utf-8").partition("\n")
    except UnicodeDecodeError:
        raise _malformed("it is not text") from None
    verifier = Verifier.parse(first.removeprefix(VKEY))
    return Stated(Statement.parse(note.verify(signed, verifier)), verifier)


def _malformed(reason: str) -> LedgerError:
    return LedgerError(f"cannot read the opening: {reason}", "is it a noghost service, and nobody in between?")
