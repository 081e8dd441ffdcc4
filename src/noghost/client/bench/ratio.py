"""Medians, and ratios of medians with what the rounds say about their spread. Pure."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence

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
    spread = sorted(_ratio([base[i] for i in pick], [subject[i] for i in pick]) for pick in _picks(len(base)))
    return _ratio(base, subject), *_interval(spread)


def difference(base: Sequence[float], subject: Sequence[float]) -> tuple[float, float, float]:
    """Median of the differences within a round, and the same quantiles of it."""
    more = [one - other for one, other in zip(subject, base, strict=True)]
    spread = sorted(statistics.median([more[i] for i in pick]) for pick in _picks(len(more)))
    return statistics.median(more), *_interval(spread)


def _picks(rounds: int) -> Iterator[list[int]]:
    """Rounds, drawn again from themselves."""
    dice = random.Random(0)  # noqa: S311  resampling, no secret
    return ([dice.randrange(rounds) for _ in range(rounds)] for _ in range(RESAMPLES))


def _interval(spread: Sequence[float]) -> tuple[float, float]:
    return spread[RESAMPLES * 25 // 1000], spread[RESAMPLES * 975 // 1000]


def _ratio(base: Sequence[float], subject: Sequence[float]) -> float:
    return statistics.median(subject) / statistics.median(base)
