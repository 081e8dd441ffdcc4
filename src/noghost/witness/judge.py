"""Whether a witness cosigns: the checks of the protocol, in its order. In the witness.

Covered: a checkpoint is cosigned only if a log that is known signed it and the log has only grown since the last one
that was cosigned, which is on the disk before the cosignature is made.
Not covered: a log that shows its honest half to this witness and nothing to others; that is for several witnesses.

Source: https://c2sp.org/tlog-witness, section "add-checkpoint". Checkpoints with extension lines are refused: no log of
noghost writes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from noghost.errors import LedgerError, RequestError, VerificationError
from noghost.ledger import checkpoint, cosignature, note
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.keys import Verifier
from noghost.ledger.submission import Submission
from noghost.ledger.tree import verify_consistency
from noghost.witness.book import Book

BAD, FORBIDDEN, NOT_FOUND, CONFLICT, UNPROCESSABLE = 400, 403, 404, 409, 422
Growth = Callable[[int, bytes, int, bytes, Sequence[bytes]], None]


@dataclass(frozen=True, slots=True)
class Witness:
    """`grows` is for tests of the promise alone: they show what is cosigned when nothing is compared."""

    book: Book
    logs: tuple[Verifier, ...]
    grows: Growth = verify_consistency

    def add(self, data: bytes) -> str:
        """The cosignature line for a submission.

        Raises RequestError with the protocol's status; the message of a 409 is the size that was cosigned last.
        LedgerError where the witness's own disk is at fault.
        """
        asked = parsed(data)
        log = self.log_of(asked)
        new = verified(asked, log)
        if asked.old > new.size:
            raise RequestError("the old size is larger than the checkpoint's", status=BAD)
        with self.book.alone():
            self.compare(asked, self.book.latest(log), new)
            self.book.keep(log, asked.signed)
            return cosignature.cosign(asked.signed, self.book.signer, int(time.time()))

    def log_of(self, asked: Submission) -> Verifier:
        """The key of the log that the checkpoint says it is of."""
        origin = asked.signed.partition("\n")[0]
        log = next((log for log in self.logs if log.name == origin), None)
        if log is None:
            raise RequestError("this witness does not know that log", status=NOT_FOUND)
        return log

    def compare(self, asked: Submission, old: Checkpoint, new: Checkpoint) -> None:
        """With what was cosigned last."""
        if asked.old != old.size or (new.size == old.size and new.root != old.root):
            raise RequestError(str(old.size), status=CONFLICT)
        try:
            if old.size:
                self.grows(old.size, old.root, new.size, new.root, asked.path)
            elif asked.path:
                raise VerificationError("a proof from nothing is empty")
        except VerificationError:
            message = "the proof does not show that the log only grew"
            raise RequestError(message, status=UNPROCESSABLE) from None


def parsed(data: bytes) -> Submission:
    """Raises RequestError 400."""
    try:
        asked = Submission.parse(data.decode())
        note.split(asked.signed)
    except (LedgerError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, LedgerError) else "it is not UTF-8"
        raise RequestError(reason, status=BAD) from None
    return asked


def verified(asked: Submission, log: Verifier) -> Checkpoint:
    """Raises RequestError: 403 if the log's key has not signed it, 400 for what is no checkpoint."""
    try:
        return checkpoint.verify(asked.signed, log)
    except VerificationError:
        raise RequestError("the checkpoint is not signed by the log's key", status=FORBIDDEN) from None
    except LedgerError as error:
        raise RequestError(error.message, status=BAD) from None
