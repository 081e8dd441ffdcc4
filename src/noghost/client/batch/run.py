"""One run of a batch: the lines without an answer, the nodes that can answer them, and what became of both. On the
caller's side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from noghost.client.batch.answers import OK, Answers
from noghost.client.batch.collecting import Collected, Collector
from noghost.client.batch.node import Answer, Node
from noghost.client.batch.requests import Line, Requests
from noghost.client.batch.work import Desk, Work
from noghost.client.bundle import read_bundle, verify_all
from noghost.client.verification import Trust
from noghost.errors import BatchError, HuntError, LedgerError
from noghost.ledger.receipt import Verified

LOOK_S = 0.1  # how often the progress is told
BUNDLE = ".receipts"  # of the bundle's name, after the output's
Models = Mapping[str, Mapping[str, str]]  # by node, then by model: the digest of its weights


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a batch."""

    lines: int
    statuses: dict[int, int]  # how many answers have it, of this run and those before
    took_s: float
    answered: int  # in this run
    again: int  # failed tries in this run
    nodes: dict[str, int]  # how many lines each answered in this run
    missing: int  # answers whose receipt is not there
    receipts: tuple[Verified, ...]
    faults: tuple[str, ...]

    @property
    def left(self) -> int:
        """Lines without an answer."""
        return self.lines - sum(self.statuses.values())

    @property
    def is_whole(self) -> bool:
        """Every line answered, every receipt there, and nothing wrong with one."""
        return not (self.left or self.missing or self.faults)


class Batch:
    """Files that fit each other, and nodes that fit them. BatchError where they do not; nothing is asked then."""

    def __init__(self, requests: Requests, out: Path, nodes: Sequence[Node], *, resume: bool) -> None:
        models = {node.name: node.models() for node in nodes}
        self.requests, self.nodes = requests, nodes
        self.weights = agreed(models)
        self.desks = [Desk(node, frozenset(models[node.name])) for node in nodes]
        for line in requests.lines:
            if line.model not in self.weights:
                known = ", ".join(sorted(self.weights))
                raise BatchError(f"no node has the model of {requests.path}, line {line.number}", f"there are: {known}")
        self.answers = Answers(out, requests, resume=resume)
        try:
            self.bundle = out.with_name(out.name + BUNDLE)
            self.collected = Collected.open(self.bundle, resume=resume)
        except BaseException:
            self.answers.close()
            raise
        self.collectors = {node.name: Collector(node, self.collected, self.weights) for node in nodes}

    def run(self, at_once: int | None, trust: Trust, tell: Callable[[int], None]) -> Summary:
        """Answer what has no answer. `tell` hears now and then how many lines have one.

        Raises BatchError where an answer cannot be written; what was written is kept, then and after a Ctrl-C.
        """
        began, before = time.monotonic(), len(self.answers.instances)
        work = Work(self.desks)
        try:
            lines = [line for line in self.requests.lines if line.custom_id not in self.answers.instances]
            self._watch(work.begin(lines, at_once, self._send, self._keep), tell)
        finally:
            work.stop()
            self.answers.close()
        took_s = time.monotonic() - began
        for collector in self.collectors.values():
            collector.finish()
        if work.fault:
            raise work.fault
        missing = self._still_missing()
        self.collected.file.close()
        receipts, faults = self._verified(trust)
        return Summary(
            lines=len(self.requests.lines),
            statuses=dict(sorted(self.answers.statuses.items())),
            took_s=took_s,
            answered=len(self.answers.instances) - before,
            again=sum(work.tries.values()),
            nodes={desk.node.name: desk.answered for desk in self.desks},
            missing=missing,
            receipts=receipts,
            faults=(*(f"{desk.node.name} was left out: {desk.reason}" for desk in self.desks if desk.is_out), *faults),
        )

    def _send(self, node: Node, line: Line) -> Answer:
        return node.ask(line.url, self.requests.body(line))

    def _keep(self, node: Node, line: Line, answer: Answer) -> None:
        self.answers.append(line, answer)
        if answer.status == OK:
            self.collectors[node.name].want(answer.instance, line.model, time.time())

    def _watch(self, threads: Sequence[threading.Thread], tell: Callable[[int], None]) -> None:
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_S)
                tell(len(self.answers.instances))

    def _still_missing(self) -> int:
        """Of this run and those before, once every node was asked again for each."""
        missing = 0
        for line in self.requests.lines:
            instance = self.answers.computed.get(line.custom_id)
            if instance is not None and instance not in self.collected.ids:
                missing += not self._found(instance, line.model)
        return missing

    def _found(self, instance: str, model: str) -> bool:
        for desk in self.desks:
            with suppress(HuntError, LedgerError):
                self.collectors[desk.node.name].collect(instance, model, 0)
                return True
        return False

    def _verified(self, trust: Trust) -> tuple[tuple[Verified, ...], list[str]]:
        """(every receipt of the bundle, what is wrong)."""
        faults = [fault for collector in self.collectors.values() for fault in collector.faults]
        if not self.collected.ids:
            return (), faults
        try:
            return tuple(verify_all(read_bundle(self.bundle), trust)), faults
        except LedgerError as error:
            return (), [*faults, error.message]


def agreed(models: Models) -> dict[str, str]:
    """The digest of each model's weights. Raises BatchError where two nodes have others under one name."""
    found: dict[str, str] = {}
    where: dict[str, str] = {}
    for node, listed in models.items():
        for name, digest in listed.items():
            if found.setdefault(name, digest) != digest:
                raise BatchError(
                    f"{node} and {where[name]} have other weights under the name {name}: {digest} and {found[name]}",
                    "serve the same file on both, or leave one out",
                )
            where.setdefault(name, node)
    return found
