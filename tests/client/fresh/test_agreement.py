"""How far answers agree: made-up texts and vectors whose agreement is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.client.fresh.agreement import agreement, between, cosine, unit

EAST, NORTH, WEST = (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)


def test_pairs_that_are_the_same_are_counted_and_angles_averaged() -> None:
    found = agreement(["a", "a", "b"], [EAST, EAST, NORTH])
    assert (found.different, found.pairs, found.same_pairs, found.exact) == (2, 3, 1, pytest.approx(1 / 3))
    assert found.similarity == pytest.approx(1 / 3)
    assert found.similarity_least == 0
    assert agreement(["a", "b"], [EAST, WEST]).similarity == -1


def test_a_space_more_is_another_text() -> None:
    assert agreement(["a", "a "], [EAST, EAST]).same_pairs == 0


def test_nothing_is_said_of_what_cannot_be_compared() -> None:
    alone = agreement(["a"], [EAST])
    assert (alone.exact, alone.similarity, alone.similarity_least) == (None, None, None)
    empty = agreement(["", "a", "b"], [None, EAST, NORTH])
    assert (empty.pairs, empty.similarity) == (3, 0)
    assert agreement(["", ""], [None, None]).exact == 1


def test_answers_to_different_questions_are_the_floor() -> None:
    assert between([[EAST, EAST], [NORTH, None]]) == 0
    assert between([[EAST], [WEST], [EAST]]) == pytest.approx(-1 / 3)
    assert between([[EAST, NORTH]]) is None
    assert between([[None], [EAST]]) is None


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3).filter(lambda row: math.hypot(*row) > 1e-3))
def test_a_unit_is_as_long_as_its_cosine_with_itself(row: list[float]) -> None:
    found = unit(row)
    assert found is not None
    assert cosine(found, found) == pytest.approx(1)


@pytest.mark.parametrize("row", [[0.0, 0.0], [math.inf, 1.0], [math.nan, 1.0]])
def test_what_has_no_direction_has_no_unit(row: list[float]) -> None:
    assert unit(row) is None
