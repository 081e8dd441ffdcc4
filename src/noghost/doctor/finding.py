"""What a check says, and what all of them say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

PROMISES = tuple(f"P{number}" for number in range(1, 11))  # docs/promises.md
Fact = str | int | bool | None


class State(Enum):
    """How much a finding matters, the worst first."""

    BROKEN = "broken"  # a promise cannot be kept here, or the service does not start
    WEAK = "weak"  # kept, but copies that are not ours to remove may exist, or one wall of several is missing
    OK = "ok"
    INFO = "info"  # good to know; no promise depends on it


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check saw. `mend` is what to do, with exact commands; "" where there is nothing to do."""

    state: State
    says: str
    because: str = ""
    mend: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)  # units in the names
    only_ask: bool = False  # it touches `noghost ask`, and no service


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw, with its name and the promises that it bears on."""

    name: str
    group: str
    promises: tuple[str, ...]
    seen: Seen

    @property
    def state(self) -> State:
        """How much it matters."""
        return self.seen.state

    @property
    def green(self) -> bool:
        """Nothing to be done about it."""
        return self.state in (State.OK, State.INFO)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Each promise in exactly one of the three."""

    keeps: tuple[str, ...]
    weak: tuple[str, ...]
    broken: tuple[str, ...]


def judge(findings: Iterable[Finding]) -> Verdict:
    """A promise is as good as the worst finding that bears on it."""
    found = list(findings)
    broken = promises_of(found, State.BROKEN)
    weak = promises_of(found, State.WEAK) - broken
    return Verdict(
        tuple(promise for promise in PROMISES if promise not in broken | weak),
        tuple(promise for promise in PROMISES if promise in weak),
        tuple(promise for promise in PROMISES if promise in broken),
    )


def promises_of(findings: Iterable[Finding], state: State) -> set[str]:
    """The promises on which a finding of this state bears."""
    return {promise for finding in findings if finding.state is state for promise in finding.promises}
