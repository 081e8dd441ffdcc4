"""When something existed and when nothing did, as far as a record tells; with bounds where it does not tell exactly.

A record is cut into stretches of three kinds: in `something` an instance was alive all the time, in `nothing` none was
at any time, of `unknown` the record does not say. So every figure has a least and a most, which are the same where
there is no `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["something", "nothing", "unknown"]


class Stretch(NamedTuple):
    """Time in which the same holds. Unix time."""

    start_s: float
    end_s: float
    kind: Kind

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


class Bounds(NamedTuple):
    """A figure lies between these, both included."""

    least: float
    most: float


class Gap(NamedTuple):
    """Between the end of one instance and the birth of the next. `sure`: no other may have lived in it."""

    length_s: Bounds
    sure: bool


@dataclass(frozen=True, slots=True)
class Record:
    """What one file or one ledger tells."""

    stretches: tuple[Stretch, ...]  # each begins where the one before ends
    gaps: tuple[Gap, ...]
    instances: int
    untold: int  # instances whose times, or whose end, the record does not have
    backwards: int  # times at which it goes back in time: the clock was set, or instances lived side by side
    step_s: float  # how exact a time in it is

    @property
    def length_s(self) -> float:
        """From the first birth to the last end."""
        return self.stretches[-1].end_s - self.stretches[0].start_s if self.stretches else 0.0

    @property
    def count(self) -> Bounds:
        """How many gaps."""
        return Bounds(sum(gap.sure for gap in self.gaps), len(self.gaps))

    @property
    def longest_s(self) -> Bounds:
        """The longest gap."""
        least = max((gap.length_s.least for gap in self.gaps), default=0.0)
        return Bounds(least, max((gap.length_s.most for gap in self.gaps), default=0.0))

    @property
    def total_s(self) -> Bounds:
        """All gaps together."""
        return Bounds(self._of("nothing"), self._of("nothing") + self._of("unknown"))

    @property
    def share(self) -> Bounds | None:
        """Of the time from the first birth to the last end; None where that is no time."""
        return Bounds(*(one / self.length_s for one in self.total_s)) if self.length_s else None

    def _of(self, kind: Kind) -> float:
        return sum(stretch.length_s for stretch in self.stretches if stretch.kind == kind)


def joined(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Without empty ones; neighbours of one kind as one."""
    found: list[Stretch] = []
    for stretch in stretches:
        if stretch.length_s <= 0:
            continue
        if found and found[-1].kind == stretch.kind:
            found[-1] = found[-1]._replace(end_s=stretch.end_s)
        else:
            found.append(stretch)
    return tuple(found)
