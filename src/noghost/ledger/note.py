"""C2SP signed notes: a text, a blank line, one or more signature lines.

Covered: the text is handed out only after a signature of the one trusted key has been verified.
Not covered: freshness. An old note stays a valid note; see the checkpoints that a caller has seen.

Source: https://c2sp.org/signed-note
"""

from __future__ import annotations

import re

from noghost.errors import LedgerError, VerificationError
from noghost.ledger.keys import Signer, Verifier, decode64, encode64

NOTE_MAX_BYTES = 65_536
SIGNATURES_MAX = 32  # the specification asks for at least 16
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")


def sign(text: str, signer: Signer) -> str:
    """The note of `text`, which must end with a newline, signed by one key."""
    _check_text(text)
    return f"{text}\n{signature_line(signer, signer.sign(text.encode()))}"


def signature_line(signer: Signer, signature: bytes) -> str:
    """One line under a note, with its newline."""
    return f"— {signer.name} {encode64(signer.verifier.key_id + signature)}\n"


def verify(note: str, verifier: Verifier) -> str:
    """The text of a note that `verifier` signed.

    Signatures of other keys are ignored, as the specification asks. Raises LedgerError if the note
    is malformed, VerificationError if no signature is the verifier's or one of them does not hold.
    """
    text, signatures = signatures_of(note, verifier)
    for signature in signatures:
        verifier.verify(signature, text.encode())
    return text


def signatures_of(note: str, verifier: Verifier) -> tuple[str, list[bytes]]:
    """The text and every signature that says it is of this key, both still unverified; raises as `verify`."""
    text, signatures = split(note)
    ours = [data[4:] for name, data in signatures if (name, data[:4]) == (verifier.name, verifier.key_id)]
    if not ours:
        raise VerificationError(
            f"cannot verify the checkpoint: no signature is by {verifier.name}",
            "it was signed by another key; trust it only if you know why the key changed",
        )
    return text, ours


def split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text, still unverified, and each signature as (key name, key id || signature)."""
    if _HALF_PAIR.search(note):
        raise _malformed("it is not Unicode")
    if len(note.encode()) > NOTE_MAX_BYTES:
        raise _malformed("it is too long")
    head, _, tail = note.rpartition("\n\n")
    text = head + "\n"
    _check_text(text)
    lines = tail.removesuffix("\n").split("\n")
    if not tail.endswith("\n") or len(lines) > SIGNATURES_MAX:
        raise _malformed("its signature lines are cut or too many")
    return text, [_read_signature(line) for line in lines]


def _read_signature(line: str) -> tuple[str, bytes]:
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        raise _malformed("a signature line has the wrong form")
    data = decode64(match[2])
    if len(data) < 5:
        raise _malformed("a signature is too short")
    return match[1], data


def _check_text(text: str) -> None:
    if len(text) < 2 or not text.endswith("\n"):
        raise _malformed("its text is empty or does not end with a newline")
    if any(char < " " and char != "\n" for char in text):
        raise _malformed("it holds control characters")


def _malformed(reason: str) -> LedgerError:
    return LedgerError(f"cannot read the signed note: {reason}", "the file was changed or cut")
