"""Perplexity, greedy answers and their comparison: a model is as good as itself, and better at prose than at salad."""

from __future__ import annotations

import math
import random
from pathlib import Path
from statistics import fmean

import pytest

from noghost.engine import quality, speed
from noghost.engine.chat import ChatTemplate
from noghost.engine.comparison import agreement, compare, ratio
from noghost.engine.context import Context
from noghost.engine.convert import convert
from noghost.engine.llama import C
from noghost.engine.loaded import Loaded
from noghost.engine.model import Model
from noghost.engine.quality import Reader
from noghost.errors import EngineError
from noghost.weights import prepared
from noghost.weights.find import find


@pytest.fixture(scope="module")
def loaded(model: Model, template: ChatTemplate) -> Loaded:
    found = Loaded(model, Context(model, 512), template)
    found.context.start_threads(1)
    return found


def test_what_ships_is_there() -> None:
    assert 550 <= len(quality.text().split()) <= 750
    assert len(set(quality.prompts())) == len(quality.prompts()) == 20
    assert all(prompt.strip() for prompt in quality.prompts())


@pytest.mark.slow
def test_prose_is_better_predicted_than_the_same_words_in_another_order(loaded: Loaded) -> None:
    words = quality.text().split()[:120]
    salad = random.Random(1).sample(words, len(words))
    means = []
    for text in (" ".join(words), " ".join(salad)):
        tokens = loaded.model.tokenize(text, add_special=True, parse_special=False)
        found = quality.read({"one": Reader(loaded.model, loaded.context)}, tokens)["one"].losses
        assert len(found) == len(tokens) - 1 - quality.FEWEST_BEFORE
        assert loaded.context.position == 0
        means.append(fmean(found))
    assert 1 < means[0] < means[1] - 1


def test_a_loss_is_that_of_llama_cpps_own_probabilities(loaded: Loaded, model: Model) -> None:
    """Control of our arithmetic: llama.cpp's sampler computes a softmax, too."""
    tokens = model.tokenize("The ferry to the island leaves at seven in the morning, and by half past six the first "
                            "people are already", add_special=True, parse_special=False)  # fmt: skip
    ours = quality.read({"one": Reader(loaded.model, loaded.context)}, tokens)["one"].losses[-1]
    context = Context(model, 256)
    context.start_threads(1)
    context.decode(tokens[:-1], 0)
    logits = C.llama_get_logits_ith(context.handle, -1)
    candidates = (C.llama_token_data * model.n_vocab)()
    for token in range(model.n_vocab):
        candidates[token].id, candidates[token].logit = token, logits[token]
    array = C.llama_token_data_array(candidates, model.n_vocab, -1, False)
    chain = C.llama_sampler_init_dist(1)
    C.llama_sampler_apply(chain, array)
    theirs = next(candidates[i].p for i in range(model.n_vocab) if candidates[i].id == tokens[-1])
    assert ours == pytest.approx(-math.log(theirs), abs=0.02)


@pytest.mark.slow
def test_a_file_differs_from_itself_a_little_once_its_sums_are_rounded_otherwise(loaded: Loaded, model: Model) -> None:
    tokens = model.tokenize(" ".join(quality.text().split()[:120]), add_special=True, parse_special=False)
    contexts = {
        "one": loaded.context,
        "same": Context(model, 512),
        "plain": Context(model, 512, flash_attention=False),
    }
    assert contexts["same"].flash_attention
    assert not contexts["plain"].flash_attention
    for name in ("same", "plain"):
        contexts[name].start_threads(1)
    found = quality.read({name: Reader(model, context) for name, context in contexts.items()}, tokens)
    assert fmean(found["one"].divergences) == fmean(found["same"].divergences) == 0
    assert all(found["same"].same_top)
    assert 0.0005 < fmean(found["plain"].divergences) < 0.02
    assert 0.85 < fmean(found["plain"].same_top) < 1
    assert found["one"].losses == found["same"].losses != found["plain"].losses


def test_the_divergence_is_that_of_the_definition(model: Model) -> None:
    """Control of our arithmetic: the sum over the vocabulary of p ln(p/q), in plain Python."""
    tokens = model.tokenize("one two three four " * 5, add_special=True, parse_special=False)
    contexts = {name: Context(model, 512, flash_attention=on) for name, on in (("one", True), ("plain", False))}
    for context in contexts.values():
        context.start_threads(1)
    readers = {name: Reader(model, context) for name, context in contexts.items()}
    found = quality.read(readers, tokens)["plain"].divergences[-1]
    p, q = ([*reader.predictions(tokens[:-1], 0)][-1].tolist() for reader in readers.values())
    assert math.fsum(map(math.exp, p)) == pytest.approx(1)
    expected = math.fsum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True))
    assert found == pytest.approx(expected, rel=1e-6)
    assert expected > 0


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "least", "most"), [("Q8_0", 0.5, 2), ("Q4_0", 10, 1000)])
def test_what_a_form_loses_is_told_from_how_sums_are_rounded(
    loaded: Loaded, model: Model, tmp_path: Path, kind: str, least: float, most: float
) -> None:
    """Q4_0 is the mutant: as fast, and not as good."""
    convert(find().path, tmp_path / "made.gguf", kind, 2)
    made = Model.load(tmp_path / "made.gguf")
    contexts = (loaded.context, Context(made, 512), Context(model, 512, flash_attention=False))
    for context in contexts[1:]:
        context.start_threads(1)
    tokens = model.tokenize(" ".join(quality.text().split()[:120]), add_special=True, parse_special=False)
    readers = zip(("one", "made", "again"), map(Reader, (model, made, model), contexts), strict=True)
    found = quality.read(dict(readers), tokens)
    times = fmean(found["made"].divergences) / fmean(found["again"].divergences)
    assert least < times < most
    assert (times <= prepared.MOST_DIVERGENCE) == (kind == "Q8_0")


@pytest.mark.slow
def test_the_same_model_gives_the_same_answers(loaded: Loaded) -> None:
    asked = quality.prompts()[:2]
    first = quality.answers(loaded, asked)
    assert first == quality.answers(loaded, asked)
    assert all(0 < len(tokens) <= quality.ANSWER_TOKENS + 2 for tokens in first)
    assert agreement(first, first)["same_answers"] == 2


def test_agreement_counts_from_the_beginning() -> None:
    assert quality.common([1, 2, 3], [1, 2, 4]) == 2
    assert quality.common([1, 2], [1, 2, 3]) == 2
    assert quality.common([], [1]) == 0
    found = agreement([[1, 2, 3], [5, 6]], [[1, 2, 4], [5, 6]])
    assert found == {"answers": 2, "same_answers": 1, "common_tokens": 2, "answer_tokens": 2.5}


def test_the_ratio_is_that_of_perplexities_with_its_error() -> None:
    source = [2.0, 3.0, 4.0, 5.0]
    assert ratio(source, source) == {"perplexity_ratio": 1.0, "perplexity_ratio_error": 0.0}
    worse = ratio(source, [loss + 0.1 for loss in source])
    assert worse["perplexity_ratio"] == pytest.approx(math.exp(0.1))
    assert worse["perplexity_ratio_error"] == pytest.approx(0, abs=1e-12)
    assert ratio(source, [2.2, 3.0, 4.0, 5.2])["perplexity_ratio_error"] > 0.05


@pytest.mark.slow
def test_speeds_are_of_both(loaded: Loaded) -> None:
    contexts = {name: Context(loaded.model, 1024) for name in ("one", "other")}
    for context in contexts.values():
        context.start_threads(1)
    found = speed.compare(contexts, 1)
    assert found.keys() == contexts.keys()
    assert all(value > 0 for each in found.values() for value in each.values())
    assert all(context.position == 0 for context in contexts.values())


def test_what_cannot_be_compared_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="could not compare the models: could not load the model"):
        compare(tmp_path / "none.gguf", False, find().path, 1)
