"""Gaps of several nodes together: the bounds hold the truth that the lives were made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from client.gap.test_gap import Life, entries, holds, truth
from noghost.client.gap.of_ledger import of_ledger
from noghost.client.gap.of_ledgers import of_ledgers

LIVES = st.lists(st.tuples(st.floats(0.1, 500), st.floats(0.1, 500), st.booleans()), max_size=8)


def lived(steps: list[Life]) -> list[Life]:
    """(born, gone, seen) from (pause, length, seen)."""
    lives, at_s = list[Life](), 0.0
    for apart_s, long_s, seen in steps:
        at_s += apart_s
        lives.append((at_s, at_s + long_s, seen))
    return lives


@given(st.lists(LIVES, min_size=1, max_size=3).filter(any))
def test_the_bounds_of_several_ledgers_hold_the_truth(nodes: list[list[Life]]) -> None:
    lives = [lived(steps) for steps in nodes]
    every = sorted(life for node in lives for life in node)
    record, gaps = of_ledgers([entries(node) for node in lives]), truth(every)
    assert record.instances == len(every)
    assert record.count.least <= len(gaps)
    assert record.total_s.least <= sum(gaps) + 1e-6
    if all(seen for *_, seen in every):
        assert len(gaps) <= record.count.most
        assert holds(record.longest_s, max(gaps, default=0))
        assert holds(record.total_s, sum(gaps))


def test_one_nodes_life_fills_the_others_gap() -> None:
    """Control: each alone has a gap of more than an hour."""
    one, other = entries([(0, 5, True), (7200, 7210, True)]), entries([(30, 3600, True), (7205, 7260, True)])
    assert [of_ledger(log).total_s.least for log in (one, other)] == [7140, 3540]
    record = of_ledgers([one, other])
    assert record.total_s == (3540, 3780)
    assert record.count == (1, 3)
    assert [stretch.kind for stretch in record.stretches] == ["unknown", "something", "unknown", "nothing", "unknown"]


def test_where_an_end_is_missing_on_one_node_nothing_is_claimed_for_all() -> None:
    told = [entries([(0, 5, True), (600, 610, True)]), entries([(60, 70, False)])]
    assert of_ledger(told[0]).total_s.least == 540
    assert of_ledgers(told).total_s.least == 0


def test_ledgers_without_an_entry_change_nothing() -> None:
    log = entries([(0, 5, True), (600, 610, True)])
    assert of_ledgers([log, []]) == of_ledger(log)
    assert of_ledgers([[], []]).share is None
