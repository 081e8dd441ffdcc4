"""From what the reaper saw to what the ledger says. In the reaper.

Covered: an entry holds closed words, digests of public things, settings and powers of two; a template is named by its
index, so an instance cannot name one that is not the service's. Not covered: whether a dishonest
operator's reaper says what it saw.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Protocol

from noghost.errors import LedgerError, ReceiptNotFound
from noghost.ledger.entry import Ended, Opened, bucket
from noghost.ledger.statement import Statement
from noghost.ledger.store import Ledger
from noghost.log import Event, log
from noghost.messages import Answer, Attest, Found, Lookup, Open, Outcome, Wipe
from noghost.messages import Ended as LastWord
from noghost.reaper.duty import Stated
from noghost.reaper.wipe import PAGE_BYTES, Wiped


class Recorder(Protocol):
    """What the reaper needs of a record; False means that it could not be written."""

    def opened(self, wanted: Open) -> bool:
        """Write "opened"."""

    def durable(self) -> bool:
        """Bring all that is written to the disk."""

    def closed(
        self, wanted: Open, outcome: Outcome, wipe: Wipe, wiped: Wiped, last_word: LastWord | None, refusals: int
    ) -> None:
        """Write "closed" and sign a checkpoint."""

    def settle(self) -> bool:
        """Write every "closed" that could not be written when it was due."""

    def ready(self) -> bool:
        """Whether an invocation could be recorded now."""

    def lookup(self, asked: Lookup) -> Found:
        """A receipt, or why there is none."""

    def attest(self, wanted: Attest) -> Found:
        """An opening, signed, or why there is none."""


class LedgerRecorder:
    """Writes to the ledger; a failure is logged and told to whoever asked, so that nothing goes on unrecorded.

    An end that the ledger cannot take is kept until it can, and no birth is recorded before it. So at most as many
    are kept as instances were alive when the ledger failed.
    """

    def __init__(self, ledger: Ledger, stated: Stated) -> None:
        self._ledger = ledger
        self._stated = stated
        self._owed: deque[Ended] = deque()

    def opened(self, wanted: Open) -> bool:
        """Write "opened"; not yet durable."""
        if not self.settle():
            return False
        try:
            self._ledger.append(opened_as(self._stated, wanted))
        except (LedgerError, OSError, IndexError):
            return failed()
        return True

    def durable(self) -> bool:
        """Flush to the disk."""
        try:
            self._ledger.sync()
        except (LedgerError, OSError):
            return failed()
        return True

    def closed(
        self, wanted: Open, outcome: Outcome, wipe: Wipe, wiped: Wiped, last_word: LastWord | None, refusals: int
    ) -> None:
        """Write "closed", sign a checkpoint over it."""
        try:
            entry = Ended(
                minute=minute_now(),
                id=wanted.invocation.hex(),
                outcome=outcome.name.lower(),
                wipe=wipe.name.lower(),
                wiped_pages=bucket(wiped.wiped_bytes // PAGE_BYTES),
                verified_pages=bucket(wiped.verified_bytes // PAGE_BYTES),
                prompt_tokens=last_word.prompt_bucket if last_word else 0,
                answer_tokens=last_word.answer_bucket if last_word else 0,
                refused_calls=bucket(refusals),
                commitment=last_word.commitment.hex() if last_word and last_word.committed else "-",
            )
        except LedgerError:  # it contradicts itself: never written, so the next start says "lost"
            failed()
            return
        self._owed.append(entry)
        self.settle()

    def settle(self) -> bool:
        """Write the ends that are owed, oldest first, and sign a checkpoint over them; False if one is still owed."""
        try:
            while self._owed:
                self._ledger.append(self._owed[0])
                self._owed.popleft()
                if not self._owed:
                    self._ledger.checkpoint()
        except (LedgerError, OSError):
            failed()
        return not self._owed

    def ready(self) -> bool:
        """Try it: what is owed is written, and the disk has room."""
        if not self.settle():
            return False
        try:
            self._ledger.try_room()
        except (LedgerError, OSError):
            return failed()
        return True

    def lookup(self, asked: Lookup) -> Found:
        """The receipt in UTF-8. It may have to be signed first, which a ledger can fail to do that has the entry."""
        if asked.since > self._ledger.size:
            return Found(Answer.NOT_FOUND)  # the caller's number: no failure of the ledger's
        try:
            receipt = self._ledger.receipt(asked.invocation.hex(), asked.since or None)
            return Found(Answer.YES, receipt.render().encode())
        except ReceiptNotFound:
            return Found(Answer.NOT_FOUND)
        except (LedgerError, OSError):
            failed()
            return Found(Answer.LEDGER_FAILED)

    def attest(self, wanted: Attest) -> Found:
        """The opening in UTF-8: what an instance says of itself is an id and a key."""
        try:
            return Found(Answer.YES, self._ledger.attest(statement_of(self._stated, wanted)).encode())
        except (LedgerError, OSError):
            failed()
            return Found(Answer.LEDGER_FAILED)


def statement_of(stated: Stated, wanted: Attest) -> Statement:
    """What is signed about an instance's key: all but the key and the id is the service's."""
    return Statement(
        wanted.invocation.hex(), wanted.public, stated.release, stated.build, stated.policy, stated.weights
    )


def opened_as(stated: Stated, wanted: Open) -> Opened:
    """The entry of an invocation: what an instance says of itself is an index, a number in bounds or the caller's own.
    IndexError or LedgerError where it is not."""
    return Opened(
        minute=minute_now(),
        id=wanted.invocation.hex(),
        weights=stated.weights[wanted.model],
        release=stated.release,
        build=stated.build,
        policy=stated.policy,
        host=stated.host,
        processor=stated.processor,
        context=stated.context,
        batch=stated.batch,
        threads=str(wanted.threads) if wanted.threads else "free",
        template=stated.templates[wanted.template - 1] if wanted.template else "-",
        seed=str(wanted.seed) if wanted.seeded else "-",
        commitment=wanted.commitment.hex() if wanted.committed else "-",
    )


def failed() -> bool:
    """Say it in the log; always False."""
    log(Event.LEDGER_FAILED)
    return False


def minute_now() -> str:
    """UTC, to the minute: exact times are content."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
