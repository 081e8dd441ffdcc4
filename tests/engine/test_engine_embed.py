"""A text as one vector: what is pooled how, what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fuzz.tiny_kinds import embedding
from noghost.engine.context import Context
from noghost.engine.embed import check, embed, hidden, unit
from noghost.engine.model import Model
from noghost.errors import EngineError, RequestError

MEAN, CLS, LAST, RANK = 1, 2, 3, 4  # enum llama_pooling_type of llama.h
TOKENS = [2, 4, 5, 6, 3]


def tiny(folder: Path, pooling: int) -> tuple[Model, Context]:
    path = folder / f"{pooling}.gguf"
    path.write_bytes(embedding(pooling).render())
    model = Model.load(path)
    context = Context(model, 64)
    context.start_threads(1)
    return model, context


@pytest.mark.parametrize(("pooling", "at"), [(CLS, 0), (LAST, -1)])
def test_one_token_stands_for_all(tmp_path: Path, pooling: int, at: int) -> None:
    model, context = tiny(tmp_path, pooling)
    vector = embed(model, context, TOKENS, lambda: 1)
    rows = list(hidden(model, context, TOKENS, lambda: 1))
    assert vector == unit(rows[at])
    assert vector != unit(rows[1]), "control: the tokens' are not all the same"


def test_the_mean_of_all(tmp_path: Path) -> None:
    model, context = tiny(tmp_path, MEAN)
    rows = list(hidden(model, context, TOKENS, lambda: 1))
    mean = [math.fsum(values) / len(rows) for values in zip(*rows, strict=True)]
    assert embed(model, context, TOKENS, lambda: 1) == pytest.approx(unit(mean), abs=1e-6)


@pytest.mark.slow
def test_a_model_that_answers_keeps_nothing_of_the_text_before(model: Model, ctx: Context) -> None:
    text = model.tokenize("The sea is wide. " * 40, add_special=True, parse_special=True)
    assert len(text) > 128, "several batches"
    first = embed(model, ctx, text, lambda: 1)
    embed(model, ctx, text[:7], lambda: 1)
    assert embed(model, ctx, text, lambda: 1) == first
    assert ctx.position == 0


def test_a_model_that_ranks_is_refused(tmp_path: Path) -> None:
    model, context = tiny(tmp_path, RANK)
    with pytest.raises(RequestError, match="ranks"):
        embed(model, context, TOKENS, lambda: 1)


def test_what_does_not_fit_or_is_no_token(tmp_path: Path) -> None:
    model, context = tiny(tmp_path, MEAN)
    check(model, context, [4] * 64, "x")
    for tokens in ([], [4] * 65, [8], [-1]):
        with pytest.raises(RequestError) as refused:
            check(model, context, tokens, "x")
        assert refused.value.param == "x"


def test_zeros_stay_and_infinity_is_an_error() -> None:
    assert list(unit([0.0, 0.0])) == [0.0, 0.0]
    assert math.hypot(*unit([3e30, -4e30])) == pytest.approx(1)
    with pytest.raises(EngineError):
        unit([math.inf, 0.0])
