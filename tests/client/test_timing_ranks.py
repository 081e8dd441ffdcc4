"""The statistics of the timing audit: against counting by hand, and in simulated runs of known truth.

Simulations have fixed seeds, so that they give the same every time; their bounds are those of a binomial count that
a right method misses once in ten thousand seeds.
"""

from __future__ import annotations

import itertools
import math
import random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.client.timing.ranks import LEVEL, POWER, auc, interval95, p_value, smallest_visible

RUNS = 200
NORMAL = NormalDist()
Run = tuple[list[float], list[float]]
# Few different values, so that ties are common.
times = st.integers(1, 12).map(float)
pairs = st.lists(st.tuples(times, times), min_size=2, max_size=9)


def split(both: list[tuple[float, float]]) -> Run:
    """Pairs as the two groups."""
    return [seen for seen, _ in both], [unseen for _, unseen in both]


@given(pairs)
def test_the_auc_is_what_counting_gives_and_swaps_with_its_groups(both: list[tuple[float, float]]) -> None:
    seen, unseen = split(both)
    counted = sum((b > a) + (b == a) / 2 for a, b in itertools.product(seen, unseen)) / len(seen) ** 2
    assert auc(seen, unseen) == pytest.approx(counted)
    assert auc(unseen, seen) == pytest.approx(1 - counted)


@given(pairs)
def test_only_the_order_of_the_times_matters(both: list[tuple[float, float]]) -> None:
    seen, unseen = split(both)
    bent = [[math.exp(value) + value**3 for value in group] for group in (seen, unseen)]
    for statistic in (auc, interval95, p_value, smallest_visible):
        assert statistic(*bent) == statistic(seen, unseen)


@given(pairs)
def test_the_p_value_is_the_share_of_all_labellings(both: list[tuple[float, float]]) -> None:
    def distance(labelled: list[tuple[float, float]]) -> float:
        return abs(auc(*split(labelled)) - 0.5)

    ways = [[pair[::way] for pair, way in zip(both, signs, strict=True)] for signs in signs_of(len(both))]
    far = sum(distance(way) >= distance(both) - 1e-9 for way in ways)
    assert p_value(*split(both)) == pytest.approx(far / len(ways))


@given(pairs)
def test_the_interval_holds_the_auc_and_mirrors(both: list[tuple[float, float]]) -> None:
    seen, unseen = split(both)
    low, high = interval95(seen, unseen)
    assert 0 <= low <= auc(seen, unseen) + 1e-9
    assert auc(seen, unseen) - 1e-9 <= high <= 1
    assert high - low > 0.1, "so few pairs never make a narrow one, not even when no two times overlap"
    assert interval95(unseen, seen) == pytest.approx((1 - high, 1 - low))


def test_two_groups_apart_are_as_unlikely_as_all_coins_alike() -> None:
    slow, fast = [10.0 + at for at in range(20)], [float(at % 9) for at in range(20)]
    assert (auc(fast, slow), p_value(fast, slow)) == (1.0, 2.0**-19)
    low, high = interval95(fast, slow)
    assert 0.85 < low < 0.95
    assert high == pytest.approx(1)
    assert p_value(fast, fast) == 1.0


def test_too_few_pairs_can_see_nothing() -> None:
    """Of 14 pairs even the clearest result comes by chance more often than LEVEL; of 60 a leak of 0.77 shows."""
    fast, slow = [1.0] * 14, [2.0] * 14
    assert p_value(fast, slow) > LEVEL
    assert smallest_visible(fast, slow) is None
    assert smallest_visible(*alike(random.Random(1), 60)) == pytest.approx(0.77, abs=0.05)


@pytest.mark.parametrize("count", [30, 80])
@pytest.mark.parametrize(("truth", "drift"), [(0.5, 0.0), (0.8, 0.0), (0.97, 0.0), (0.6, 1.5)])
def test_the_interval_covers_the_truth_19_times_in_20(count: int, truth: float, drift: float) -> None:
    dice = random.Random(f"cover {truth} {drift} {count}")
    covered = 0
    for _ in range(RUNS):
        low, high = interval95(*apart(dice, count, truth, drift))
        covered += low <= truth <= high
    assert covered >= least_of(RUNS, 0.95)


def test_a_run_without_a_leak_gives_every_p_value_its_share() -> None:
    dice = random.Random("even")
    found = [p_value(*alike(dice, 30, drift=1.0)) for _ in range(RUNS)]
    for share in (0.05, 0.2, 0.5):
        count = sum(p <= share for p in found)
        assert least_of(RUNS, share) <= count <= RUNS - least_of(RUNS, 1 - share)


@pytest.mark.parametrize(("count", "drift"), [(40, 0.0), (60, 1.0)])
def test_what_a_run_says_it_would_have_seen_it_does_see(count: int, drift: float) -> None:
    dice = random.Random(f"power {count}")
    told = sorted(smallest_visible(*alike(dice, count, drift)) or 1.0 for _ in range(21))[10]
    seen = sum(p_value(*apart(dice, count, told, drift)) <= LEVEL for _ in range(RUNS))
    assert seen >= least_of(RUNS, POWER)


def signs_of(count: int) -> list[tuple[int, ...]]:
    """All ways to keep (1) or swap (-1) each of that many pairs."""
    return list(itertools.product((1, -1), repeat=count))


def alike(dice: random.Random, count: int, drift: float = 0.0) -> Run:
    """A run in which seen and unseen do not differ."""
    return apart(dice, count, 0.5, drift)


def apart(dice: random.Random, count: int, truth: float, drift: float = 0.0) -> Run:
    """Normal times with that AUC; `drift` is the spread that both times of a pair share, in units of their own."""
    shared = [dice.gauss(0, drift) for _ in range(count)]
    later = NORMAL.inv_cdf(truth) * math.sqrt(2 * (1 + drift**2))
    return [at + dice.gauss(0, 1) for at in shared], [at + later + dice.gauss(0, 1) for at in shared]


def least_of(runs: int, share: float) -> int:
    """The count that a binomial of that share is below less than once in ten thousand."""
    below = 0.0
    for count in range(runs + 1):
        below += math.comb(runs, count) * share**count * (1 - share) ** (runs - count)
        if below > 1e-4:
            return count
    return runs
