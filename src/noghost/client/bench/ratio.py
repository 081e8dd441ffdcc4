"""Medians, and ratios of medians with what the rounds say about their spread. Pure."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

RESAMPLES = 4000


def quartiles(samples: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper one; of a single sample, itself."""
    if len(samples) == 1:
        return samples[0], samples[0]
    low, _middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, high


def ratio(base: Sequence[float], subject: Sequence[float]) -> tuple[float, float, float]:
    """Ratio of medians, and the 2.5 % and 97.5 % quantiles of it over resampled rounds.

    Rounds are resampled in pairs, since both were measured in the same minute of the machine.
    """
    dice = random.Random(0)  # noqa: S311  resampling, no secret
    picks = ([dice.randrange(len(base)) for _ in base] for _ in range(RESAMPLES))
    spread = sorted(_ratio([base[i] for i in pick], [subject[i] for i in pick]) for pick in picks)
    return _ratio(base, subject), spread[RESAMPLES * 25 // 1000], spread[RESAMPLES * 975 // 1000]


def _ratio(base: Sequence[float], subject: Sequence[float]) -> float:
    return statistics.median(subject) / statistics.median(base)
