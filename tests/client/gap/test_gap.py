"""Gaps from transcripts and ledgers whose truth is known: the bounds hold it, and nothing is said that is not told."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.samples import birth, end, number_id
from noghost.client.gap.of_ledger import of_ledger
from noghost.client.gap.of_transcript import of_transcript
from noghost.client.gap.record import Bounds, Record
from noghost.client.transcript import Transcript
from noghost.client.transcript.facts import stamp
from noghost.ledger.entry import Ended, Entry

START = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
Life = tuple[float, float, bool]  # seconds since START; whether its end was seen


def talk(*lives: tuple[float, float] | None) -> Transcript:
    """A conversation whose answers lived so; None: it has no times."""
    transcript = Transcript("Conversation", "model", START)
    for life in lives:
        transcript.append("user", "?", {"began": stamp(START)})
        names = ("began", "ended")
        facts = {name: stamp(START + timedelta(seconds=at)) for name, at in zip(names, life or (), strict=False)}
        transcript.append("assistant", "!", facts)
    return transcript


def test_a_file_with_times_is_exact() -> None:
    record = of_transcript(talk((0, 2), (5, 6.5), (6.5, 7), (17, 20)))
    assert record.count == (2, 2)
    assert (record.longest_s, record.total_s, record.length_s) == ((10, 10), (13, 13), 20)
    assert record.share == (0.65, 0.65)
    assert (record.instances, record.untold, record.backwards) == (4, 0, 0)


def test_what_lies_around_an_answer_without_times_is_unknown() -> None:
    record = of_transcript(talk((0, 2), None, (12, 14), (15, 16)))
    assert record.count == (1, 2)
    assert (record.longest_s, record.total_s) == ((1, 10), (1, 11))
    assert record.untold == 1


def test_a_file_without_times_says_nothing() -> None:
    record = of_transcript(talk(None, None))
    assert (record.share, record.length_s, record.count, record.untold) == (None, 0, (0, 0), 2)
    assert of_transcript(talk()).instances == 0


def test_answers_side_by_side_and_a_clock_that_was_set_leave_no_gap() -> None:
    record = of_transcript(talk((10, 20), (15, 18), (5, 6), (30, 31)))
    assert (record.count, record.total_s, record.backwards) == ((1, 1), (10, 10), 2)


@pytest.mark.parametrize(
    "wrong", [{"began": "yesterday", "ended": stamp(START)}, {"began": 5}, {"ended": stamp(START)}]
)
def test_times_that_are_none_are_not_told(wrong: dict[str, object]) -> None:
    transcript = talk((0, 1))
    transcript.append("assistant", "!", wrong)
    assert of_transcript(transcript).untold == 1


def test_an_end_before_its_beginning_is_not_told() -> None:
    assert of_transcript(talk((5, 2))).untold == 1


# --- the ledger -----------------------------------------------------------------------------------------------


def minute(at_s: float) -> str:
    return (START + timedelta(seconds=at_s)).strftime("%Y-%m-%dT%H:%MZ")


def entries(lives: list[Life]) -> list[Entry]:
    """As a reaper would have written them; nobody saw the end of some, and a later start says so."""
    told: list[tuple[float, int, Entry]] = []
    for number, (born_s, gone_s, seen) in enumerate(lives):
        told.append((born_s, 1, replace(birth(number), minute=minute(born_s))))
        if seen:
            told.append((gone_s, 0, replace(end(number), minute=minute(gone_s))))
    return [entry for *_, entry in sorted(told, key=lambda one: one[:2])]


def truth(lives: list[Life]) -> list[float]:
    """The length of every gap; 0 where one is born as another ends, which is recorded in that order."""
    gaps, last_s = [], lives[0][1]
    for born_s, gone_s, _ in sorted(lives)[1:]:
        gaps += [born_s - last_s] if born_s >= last_s else []
        last_s = max(last_s, gone_s)
    return gaps


def holds(bounds: Bounds, figure: float) -> bool:
    return bounds.least - 1e-6 <= figure <= bounds.most + 1e-6


@given(st.lists(st.tuples(st.floats(0.1, 500), st.floats(0.1, 500), st.booleans()), min_size=1, max_size=12))
def test_the_bounds_of_a_ledger_hold_the_truth(steps: list[tuple[float, float, bool]]) -> None:
    """Lives of any length at any distance, side by side too; that minutes are all that is told only widens them."""
    lives, at_s = list[Life](), 0.0
    for apart_s, long_s, seen in steps:
        at_s += apart_s
        lives.append((at_s, at_s + long_s, seen))
    record, gaps = of_ledger(entries(lives)), truth(sorted(lives))
    assert record.count.least <= len(gaps)
    assert record.total_s.least <= sum(gaps) + 1e-6
    if all(seen for *_, seen in lives):
        assert record.count == (len(gaps), len(gaps))
        assert holds(record.longest_s, max(gaps, default=0))
        assert holds(record.total_s, sum(gaps))
    assert all(one.end_s == other.start_s for one, other in pairwise(record.stretches))
    assert record.untold == sum(not seen for *_, seen in lives)


def test_a_minute_is_all_that_a_ledger_tells() -> None:
    record = of_ledger(entries([(0, 5, True), (190, 610, True), (640, 650, True)]))
    assert record.count == (2, 2)
    assert (record.longest_s.least, record.longest_s.most) == (120, 240)
    assert [(one.kind, one.length_s) for one in record.stretches] == [
        ("unknown", 60),
        ("nothing", 120),
        ("unknown", 60),
        ("something", 360),
        ("unknown", 60),
    ]
    assert record.share == (120 / 660, 300 / 660)


def test_a_minute_through_which_somebody_lives_is_no_gap() -> None:
    record = of_ledger(entries([(0, 300, True), (130, 140, True)]))
    assert [one.kind for one in record.stretches] == ["unknown", "something", "unknown"]
    assert record.count == (0, 0)


def test_where_a_lost_one_may_have_lived_nothing_is_claimed() -> None:
    """Known: its birth, and the start after its death. Control: the same with its end seen."""
    lives = [(0, 5, True), (200, 230, False), (1000, 1010, True)]
    told = entries(lives)
    told.insert(3, replace(Ended.lost(minute(700), number_id(1))))
    record = of_ledger(told)
    assert record.count == (1, 2)
    assert (record.untold, record.longest_s) == (1, (120, 840))
    assert record.total_s.least == 120 + 240, "from the first end to that birth, and from the later start on"
    seen = of_ledger(entries([(*life[:2], True) for life in lives]))
    assert (seen.count, seen.longest_s.least, seen.total_s.least) == ((2, 2), 720, 840)


def test_one_that_never_ended_takes_the_certainty_from_all_that_follows() -> None:
    record = of_ledger(entries([(0, 5, True), (200, 230, False), (1000, 1010, True)]))
    assert (record.count, record.total_s.least) == ((1, 2), 120)


def test_a_clock_that_was_set_back_is_told_and_makes_no_gap() -> None:
    told = [replace(birth(1), minute=minute(600)), replace(end(1), minute=minute(0))]
    record = of_ledger([*told, replace(birth(2), minute=minute(60)), replace(end(2), minute=minute(60))])
    assert (record.backwards, record.length_s, record.count) == (3, 60, (1, 1))
    assert record.total_s == (0, 60)


def test_an_empty_ledger_tells_nothing() -> None:
    record: Record = of_ledger([])
    assert (record.share, record.instances) == (None, 0)
    assert math.isclose(record.length_s, 0)
