"""Log-softmax of a row of logits, against its definition; and of a real answer's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.engine.logprobs import LEAST, of_logits

LOGITS = st.lists(st.floats(-60, 60), min_size=1, max_size=50)


@given(LOGITS, st.data())
def test_it_is_the_log_softmax(logits: list[float], data: st.DataObject) -> None:
    token = data.draw(st.integers(0, len(logits) - 1))
    top = data.draw(st.integers(0, len(logits)))
    found = of_logits(logits, token, top)
    total = sum(math.exp(logit) for logit in logits)
    assert found.token == token
    assert found.logprob == pytest.approx(math.log(math.exp(logits[token]) / total), abs=1e-9)
    assert len(found.top) == top
    told = [logprob for _, logprob in found.top]
    assert told == sorted(told, reverse=True)
    if top == len(logits):
        assert math.fsum(map(math.exp, told)) == pytest.approx(1)
        assert sorted(one for one, _ in found.top) == list(range(len(logits)))


def test_large_logits_do_not_overflow_and_never_is_a_number() -> None:
    found = of_logits([1e6, -1e6], 1, 1)
    assert found.logprob == LEAST
    assert found.top == ((0, 0.0),)
