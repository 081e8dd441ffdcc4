"""The closed list of what a service counts, the shared page where it counts it, and its text for Prometheus.

Covered: a name, a label and its value stand in FAMILIES or do not exist; a number is a whole number of events, or falls
into a bucket; of sizes and times only coarse buckets are counted, no sum of them. Nothing is counted for one caller.
Not covered: who asks again and again sees when an invocation begins and ends, as who watches the network does.

The format: prometheus.io/docs/instrumenting/exposition_formats, text, version 0.0.4.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OUTCOMES = ("answered", "refused", "disconnected", "timeout", "crashed", "aborted", "killed")
WIPES = ("verified", "unverified", "failed", "unseen")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. A counter or a gauge has a number for each value of its label, or one; a histogram one for each
    bound, and one for what is above all."""

    name: str
    kind: str  # counter, gauge or histogram
    help: str
    label: str = ""
    values: tuple[str, ...] = ("",)
    bounds: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """So many numbers."""
        return len(self.bounds) + 1 if self.bounds else len(self.values)

    def lines(self, numbers: Sequence[int]) -> list[str]:
        """Its text."""
        if not self.bounds:
            samples = [
                f'{self.name}{{{self.label}="{value}"}} {number}' if self.label else f"{self.name} {number}"
                for value, number in zip(self.values, numbers, strict=True)
            ]
        else:
            upto = list(accumulate(numbers))
            edges = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
            samples = [f'{self.name}_bucket{{le="{edge}"}} {n}' for edge, n in zip(edges, upto, strict=True)]
            samples.append(f"{self.name}_count {upto[-1]}")
        return [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} {self.kind}", *samples]


def counter(name: str, says: str, label: str = "", values: tuple[str, ...] = ("",)) -> Family:
    """A number that only grows."""
    return Family(f"noghost_{name}_total", "counter", says, label, values)


def gauge(name: str, says: str) -> Family:
    """A number as it is now."""
    return Family(f"noghost_{name}", "gauge", says)


def histogram(name: str, says: str, *bounds: float) -> Family:
    """How many fell into which bucket. It has no sum: that would tell the size of each."""
    return Family(f"noghost_{name}", "histogram", says, bounds=bounds)


BORN = counter("instances_born", "Processes born for a connection, whatever it asked; scrapes too.")
ENDED = counter("instances_ended", "Instances that have ended, by how.", "outcome", OUTCOMES)
WIPED = counter("instances_wiped", "Instances that have ended, by what is known of their memory.", "wipe", WIPES)
WIPE_S = histogram("wipe_seconds", "From an instance's last moment until all of it was zero.", 0.01, 0.1, 1, 10)
REFUSED = counter("refused_calls", "System calls that instances were refused.")
OPENED = counter("invocations_opened", "Invocations that got a seat and a record.")
CLOSED = counter("invocations_closed", "Of these, those that have ended, by how.", "outcome", OUTCOMES)
LIFE_S = histogram("invocation_seconds", "From their birth to their end.", 1, 10, 60, 600)
WAIT_S = histogram("seat_wait_seconds", "How long they waited for the seat.", 0.1, 1, 10, 60)
PROMPT = histogram("prompt_tokens", "Tokens of their prompts.", 15, 127, 1023, 8191)
ANSWER = histogram("answer_tokens", "Tokens of their answers.", 15, 127, 1023, 8191)
TURNED_AWAY = counter(
    "turned_away", "Requests answered 503, by why.", "reason", ("busy", "queue_full", "ledger_failed")
)
SEATS = gauge("seats", "Invocations that may compute at once.")
SEATS_TAKEN = gauge("seats_taken", "Invocations that compute now.")
SEATS_WANTED = gauge("seats_wanted", "Invocations that wait for a seat.")
INSTANCES = gauge("instances", "Instances alive, scrapes left out.")
GUESTS = gauge("connections_waiting", "Connections that have no process yet.")

FAMILIES = (
    *(BORN, ENDED, WIPED, WIPE_S, REFUSED, OPENED, CLOSED, LIFE_S, WAIT_S, PROMPT, ANSWER, TURNED_AWAY),
    *(SEATS, SEATS_TAKEN, SEATS_WANTED, INSTANCES, GUESTS),
)
FIRST = dict(zip(FAMILIES, accumulate((family.size for family in FAMILIES), initial=0), strict=False))
SIZE = sum(family.size for family in FAMILIES)


class Counts:
    """One page of numbers, made before the first fork and shared by warden and reaper, each of which writes its own."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._numbers = memoryview(self._page).cast("Q")
        self.noted: tuple[int, ...] = ()  # as they were at the last `note`: what a child inherits

    def keep_from_children(self) -> None:
        """In the warden, after the reaper's fork: instances have no part of it."""
        self._page.madvise(mmap.MADV_DONTFORK)

    def add(self, family: Family, value: str = "", by: int = 1) -> None:
        """Of a counter; ValueError for a value that is not in the list."""
        self._numbers[FIRST[family] + family.values.index(value)] += by

    def set(self, family: Family, number: int) -> None:
        """Of a gauge."""
        self._numbers[FIRST[family]] = number

    def observe(self, family: Family, number: float) -> None:
        """Of a histogram: one more in the bucket of `number`."""
        self._numbers[FIRST[family] + bisect_left(family.bounds, number)] += 1

    def note(self) -> None:
        """Take all of them as they are now, in the order of FAMILIES, for a child that is about to be born."""
        self.noted = tuple(self._numbers[:SIZE])


def exposition(numbers: Sequence[int]) -> str:
    """The text for a scrape."""
    lines = [line for family, at in FIRST.items() for line in family.lines(numbers[at : at + family.size])]
    return "\n".join(lines) + "\n"
