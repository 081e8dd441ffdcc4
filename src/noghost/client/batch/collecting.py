"""The receipts of a batch, collected from the nodes that answered, one after another of each, into one bundle.

A receipt is asked for right after its answer, since a node may be gone later, with the proof that its log has grown
from the receipt before. So the bundle shows one history of each log without a log at hand.

Covered: an answer whose receipt names other weights than the model had at the start; a receipt of another invocation.
Not covered: signatures, which `client.bundle` verifies once all are there.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from noghost.client import receipts
from noghost.client.batch.appending import Appending
from noghost.client.batch.node import Node
from noghost.client.bundle import split
from noghost.errors import BatchError, HuntError, LedgerError, NoghostError
from noghost.ledger import checkpoint
from noghost.ledger.entry import Ended, Entry, parse
from noghost.ledger.keys import Verifier
from noghost.ledger.receipt import Receipt

CLOCK_S = 150.0  # from the middle of an entry's minute to when its answer was here; what is less may be the way


@dataclass(slots=True)
class Collected:
    """The bundle, and what is in it. Any thread may add."""

    file: Appending
    ids: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)  # of the newest checkpoint, by log
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, path: Path, *, resume: bool) -> Collected:
        """One that a crash has cut loses its last receipt. Raises BatchError."""
        found = cls(Appending(path, resume=resume))
        end = 0
        for part in split(b"".join(data for _, data in found.file.lines()).decode("utf-8", "replace")):
            try:
                found.note(Receipt.parse(part))
            except LedgerError:
                break
            end += len(part.encode())
        found.file.cut(end)
        return found

    def add(self, receipt: Receipt) -> None:
        """Durable on return. Raises BatchError."""
        with self.lock:
            self.file.append(receipt.render().encode())
            self.note(receipt)

    def note(self, receipt: Receipt) -> None:
        """Its id and its checkpoint's size."""
        signed = checkpoint.verify(receipt.checkpoint, Verifier.parse(receipt.vkey))
        self.ids.add(parse(receipt.items[0].text).id)
        self.sizes[signed.origin] = max(signed.size, self.sizes.get(signed.origin, 0))


class Collector:
    """One node's: a thread that asks it for the receipts of what it has answered. What went wrong is in `faults`."""

    def __init__(self, node: Node, into: Collected, weights: dict[str, str]) -> None:
        self.faults: list[str] = []
        self.log: str | None = None
        self._node, self._into, self._weights = node, into, weights
        self._wanted: queue.SimpleQueue[tuple[str, str, float] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def want(self, instance: str, model: str, now_s: float) -> None:
        """Of an instance that answered a line for `model` at `now_s` (Unix; 0: in an earlier run)."""
        self._wanted.put((instance, model, now_s))

    def finish(self) -> None:
        """Return once all are there that the node gives."""
        self._wanted.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            try:
                self.collect(*wanted)
            except HuntError:  # gone meanwhile: `missing` in the summary says so
                continue
            except NoghostError as error:
                if error.message not in self.faults:
                    self.faults.append(error.message)

    def collect(self, instance: str, model: str, now_s: float) -> None:
        """Into the bundle. Raises HuntError where the node does not have it."""
        receipt = self._fetched(instance)
        opened = parse(receipt.items[0].text)
        if opened.id != instance:
            raise BatchError(f"{self._node.name} gave the receipt of another invocation")
        self._into.add(receipt)
        weights = getattr(opened, "weights", "")
        if (expected := self._weights.get(model)) and weights != expected:
            raise BatchError(f"{self._node.name} answered for {model} with other weights than it listed: {weights}")
        off_min = minutes_off(parse(receipt.items[-1].text), now_s) if now_s else 0
        if off_min:
            raise BatchError(f"the clock of {self._node.name} is off by about {off_min} min, and its ledger with it")

    def _fetched(self, instance: str) -> Receipt:
        """With the proof of growth where the log is in the bundle already."""
        receipt = self._asked(instance)
        if self.log is None:
            self.log = checkpoint.verify(receipt.checkpoint, Verifier.parse(receipt.vkey)).origin
            receipt = self._asked(instance) if self.log in self._into.sizes else receipt
        return receipt

    def _asked(self, instance: str) -> Receipt:
        since = self._into.sizes.get(self.log, 0) if self.log else 0
        return Receipt.parse(receipts.fetch(self._node.get, instance, since))


def minutes_off(last: Entry, now_s: float) -> int:
    """How far the clock of a node is off by the end of an invocation whose answer came at `now_s`; 0: not visibly, or
    there is no end yet, whose birth may be as long ago as an answer takes."""
    off_s = datetime.fromisoformat(last.minute).timestamp() + 30 - now_s
    return round(off_s / 60) if isinstance(last, Ended) and abs(off_s) > CLOCK_S else 0
