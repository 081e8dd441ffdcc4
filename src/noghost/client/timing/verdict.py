"""What the measured pairs say: a leak, no leak seen, or that nothing can be told."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from noghost.client.timing.pairs import Pair
from noghost.client.timing.ranks import LEVEL, auc, interval95, p_value, smallest_visible

Verdict = Literal["leaks", "no leak seen", "cannot tell"]

# A run that would have missed more than this has not looked: published attacks reach 0.99.
BLIND_ABOVE = 0.9
FEWEST_PAIRS = 2


@dataclass(frozen=True, slots=True)
class Audit:
    """All that a run has shown. Times in seconds; `interval` holds the AUC with 95 % confidence.

    `smallest` is the smallest AUC that this run would have told from 0.5, nine times in ten; None if there is none.
    """

    seen_s: tuple[float, ...]
    unseen_s: tuple[float, ...]
    auc: float
    interval: tuple[float, float]
    p: float
    smallest: float | None

    @property
    def verdict(self) -> Verdict:
        """A leak if chance is ruled out; none seen only if even odds are likely and a leak would have shown."""
        if self.p <= LEVEL:
            return "leaks"
        low, high = self.interval
        even = low <= 0.5 <= high
        return "no leak seen" if even and self.smallest is not None and self.smallest <= BLIND_ABOVE else "cannot tell"

    @property
    def medians_ms(self) -> tuple[float, float]:
        """Of the seen and of the unseen probes."""
        return statistics.median(self.seen_s) * 1e3, statistics.median(self.unseen_s) * 1e3


def judge(pairs: Sequence[Pair]) -> Audit:
    """The statistics of all pairs; none is left out. Raises ValueError below two."""
    if len(pairs) < FEWEST_PAIRS:
        raise ValueError(f"{len(pairs)} pairs: the spread of fewer than {FEWEST_PAIRS} is not known")
    seen, unseen = [pair.seen_s for pair in pairs], [pair.unseen_s for pair in pairs]
    return Audit(
        tuple(seen),
        tuple(unseen),
        auc(seen, unseen),
        interval95(seen, unseen),
        p_value(seen, unseen),
        smallest_visible(seen, unseen),
    )
