"""Two groups of times compared by their ranks: how far they can be told apart, how surely, and what would have shown.

Pure. Pair i is `seen[i]` and `unseen[i]`, any unit. Only the order of the values matters: nothing is assumed of their
distribution, and one slow request weighs no more than its rank.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import chain
from statistics import NormalDist, variance

# Two-sided: one audit in 10,000 of a server without a leak says that there is one. 15 pairs are the fewest that can.
LEVEL = 1e-4
POWER = 0.9
Z95 = NormalDist().inv_cdf(0.975)


def auc(seen: Sequence[float], unseen: Sequence[float]) -> float:
    """The share of all (seen, unseen) in which the unseen one is the larger; ties count half (Mann and Whitney)."""
    return sum(_placements(unseen, seen)) / len(unseen)


def interval95(seen: Sequence[float], unseen: Sequence[float]) -> tuple[float, float]:
    """A 95 % interval of the AUC; needs two pairs.

    DeLong's variance (1988) with the pair as its unit (Obuchowski 1997), since both times of a pair share the moment
    of the machine. As a Wilson interval of as many trials as would have that variance, since the plain one leaves
    [0, 1] and is empty when no two values overlap. Near 1 the variance is underestimated, and two trials a pair are
    what independent normal values approach there (Newcombe 2006): no more are counted. A bootstrap over pairs has the
    same two faults near 1 and takes longer. Simulated coverage: 94 to 100 %; `tests/client/test_timing_ranks.py`.
    """
    middle, count = auc(seen, unseen), len(seen)
    each = [a + 1 - b for a, b in zip(_placements(unseen, seen), _placements(seen, unseen), strict=True)]
    spread = variance(each) / count
    most = 2.0 * count
    trials = min(most, middle * (1 - middle) / spread) if spread else most
    return _wilson(middle, trials)


def p_value(seen: Sequence[float], unseen: Sequence[float]) -> float:
    """Two-sided and exact: the share of all ways to swap labels within pairs that are as far from even as this one.

    Swapping pair i moves the sum of ranks, and with it the AUC, by a whole number. So the ways are the coefficients of
    a product of (1 + x^step), kept as the digits of one large integer with room for 2^pairs in each.
    """
    moves = _moves(seen, unseen)
    steps, gap = [abs(move) for move in moves], abs(sum(moves))
    bits = len(moves) + 1
    ways = 1
    for step in steps:
        ways += ways << (bits * step)
    # The sum of the signed steps is -total, .. +total in twos; half of its distribution ends at -gap.
    below = (sum(steps) - gap) // 2
    tail = ways & ((1 << bits * (below + 1)) - 1)
    outside = tail % ((1 << bits) - 1)  # the sum of the digits, as by casting out nines
    return min(1.0, 2 * outside / (1 << len(moves)))


def smallest_visible(seen: Sequence[float], unseen: Sequence[float]) -> float | None:
    """The AUC that as noisy a run as this one would tell from 0.5 at LEVEL, with probability POWER; None if none.

    From the spread of the AUC over all swaps, taken as normal.
    """
    count = len(seen)
    if 2.0 ** (1 - count) > LEVEL:
        return None
    spread = math.sqrt(sum((move / 2) ** 2 for move in _moves(seen, unseen))) / 2 / count**2
    normal = NormalDist()
    visible = 0.5 + (normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(POWER)) * spread
    return visible if visible < 1 else None


def _placements(values: Sequence[float], among: Sequence[float]) -> list[float]:
    """For each value the share of `among` that is below it, ties counted half."""
    ordered = sorted(among)
    return [_twice_rank(ordered, value) / (2 * len(ordered)) for value in values]


def _moves(seen: Sequence[float], unseen: Sequence[float]) -> list[int]:
    """For each pair, twice the rank of the unseen less twice the rank of the seen, among all."""
    ordered = sorted(chain(seen, unseen))
    return [_twice_rank(ordered, slow) - _twice_rank(ordered, fast) for fast, slow in zip(seen, unseen, strict=True)]


def _twice_rank(ordered: Sequence[float], value: float) -> int:
    """How many are below, twice, and how many are equal once: whole numbers although ties share a rank."""
    return bisect_left(ordered, value) + bisect_right(ordered, value)


def _wilson(share: float, trials: float) -> tuple[float, float]:
    """Wilson's 95 % interval (1927) of a share that was seen in that many trials."""
    extra = Z95**2 / trials
    centre = (share + extra / 2) / (1 + extra)
    half = Z95 / (1 + extra) * math.sqrt(share * (1 - share) / trials + extra / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)
