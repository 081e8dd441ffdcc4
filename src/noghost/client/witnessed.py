"""The log's side of a witness: have a checkpoint cosigned, keep the cosignature beside it, check it.

Covered: a cosignature is kept and believed only if it is by the key that was named, over a checkpoint that this log
signed and has only grown from. Not covered: a witness that cosigns whatever it is shown; name one that others run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import httpx

from noghost.client.reach import open_client
from noghost.errors import HuntError, LedgerError, VerificationError
from noghost.ledger import checkpoint as checkpoints
from noghost.ledger import cosignature, files
from noghost.ledger.checkpoint import SIZE, Checkpoint
from noghost.ledger.keys import Verifier
from noghost.ledger.store import Ledger
from noghost.ledger.submission import Submission

HOW = "run `noghost receipts checkpoint --witness URL --witness-key VKEY`"
ADD = "/add-checkpoint"
CONFLICT, UNPROCESSABLE = 409, 422
REASONS = {
    400: "could not read the checkpoint",
    403: "knows this log under another key",
    404: "does not know this log: start it with --log and the key of this log",
}


@dataclass(frozen=True, slots=True)
class Cosigned:
    """At `time_s` (Unix) the witness had seen the log grow into `checkpoint`."""

    witness: str
    checkpoint: Checkpoint
    time_s: int


def submit(ledger: Ledger, url: str, witness: Verifier, fingerprint: str | None = None) -> Cosigned:
    """Have the newest checkpoint cosigned, and keep it with the cosignature.

    Raises VerificationError where the witness has seen another history of this log, HuntError where it does not answer.
    """
    kept = path_of(ledger, witness)
    old = check(ledger, witness).checkpoint.size if kept.exists() else 0
    with open_client(url, fingerprint=fingerprint) as client:
        signed, answer = post(client, ledger, old)
        if answer.status_code == CONFLICT and (known := size_in(answer)) not in (None, old):
            signed, answer = post(client, ledger, known or 0)
    raise_for(answer, url)
    cosigned = read(signed + answer.text, ledger, witness)
    with files.reporting("keep the cosignature"):
        files.make_directory(kept.parent)
        files.replace(kept, (signed + answer.text).encode())
    return cosigned


def check(ledger: Ledger, witness: Verifier) -> Cosigned:
    """The newest checkpoint that this witness cosigned, if this log has only grown since.

    Raises VerificationError if it has not, LedgerError where there is none.
    """
    path = path_of(ledger, witness)
    if not path.exists():
        raise LedgerError(f"cannot find a cosignature of {witness.name} for this ledger", HOW)
    with files.reporting("read the cosignature"):
        text = path.read_bytes().decode("utf-8", "replace")
    cosigned = read(text, ledger, witness)
    ledger.consistency(cosigned.checkpoint)
    return cosigned


def check_covers(ledger: Ledger, cosigned: Cosigned, signed: Checkpoint, index: int) -> None:
    """Raises VerificationError unless the entry at `index` under the checkpoint `signed` is one that was witnessed."""
    older, newer = sorted((signed, cosigned.checkpoint), key=lambda one: one.size)
    ledger.consistency(older, newer)
    if index >= cosigned.checkpoint.size:
        raise VerificationError(
            f"cannot verify that {cosigned.witness} has seen this: it cosigned {cosigned.checkpoint.size} entries, "
            f"and this is number {index + 1}",
            HOW,
        )


def path_of(ledger: Ledger, witness: Verifier) -> Path:
    """Where the newest checkpoint of the log is that this witness cosigned: a signed note with both signatures."""
    return ledger.path / "witnessed" / witness.key_id.hex()


def read(text: str, ledger: Ledger, witness: Verifier) -> Cosigned:
    """Both signatures verified."""
    signed = checkpoints.verify(text, Verifier.parse(ledger.vkey))
    return Cosigned(witness.name, signed, cosignature.verify(text, witness))


def post(client: httpx.Client, ledger: Ledger, old: int) -> tuple[str, httpx.Response]:
    """(the checkpoint, the answer); VerificationError where the witness has seen more than there is."""
    signed, path = ledger.grown(old)
    try:
        return signed, client.post(ADD, content=Submission(old, path, signed).render().encode())
    except httpx.HTTPError as failed:
        raise HuntError(
            f"no answer from the witness at {client.base_url} ({type(failed).__name__})", "check the address"
        ) from None


def size_in(answer: httpx.Response) -> int | None:
    """What the witness cosigned last, as a 409 says it; None where it says something else."""
    text = answer.text.removesuffix("\n")
    return int(text) if SIZE.fullmatch(text) else None


def raise_for(answer: httpx.Response, url: str) -> None:
    """Unless it is a cosignature."""
    status = answer.status_code
    if status in (CONFLICT, UNPROCESSABLE):
        raise VerificationError(
            f"the witness at {url} has cosigned another history of this log",
            "the log was rewritten, cut or restored from a backup since; or another copy of it is in use",
        )
    if status != httpx.codes.OK:
        raise HuntError(f"the witness at {url} {REASONS.get(status, 'is none')} ({status})", "ask who runs it")
