"""A prompt is divided by its own tokens alone, whatever of it was computed before."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.engine.batches import (
    BATCH_TOKENS,
    FIRST_TOKENS,
    TILE_TOKENS,
    batches_of,
    cut_of,
    first_control,
    held_of,
    same_of,
    start_in,
    start_of,
)
from noghost.engine.context import Context
from noghost.engine.model import Model

CONTROL = 1
# what decides: few control tokens, lengths around 64, 128 and 256
sparse = st.builds(
    lambda length, marks: [CONTROL if at in marks else 2 for at in range(length)],
    st.integers(1, 1300),
    st.sets(st.integers(0, 1300), max_size=4),
)


def is_control(token: int) -> bool:
    return token == CONTROL


def tiled(batches: list[tuple[int, int]]) -> list[bool]:
    """For each token, whether its batch takes ggml's path for 64 or more."""
    return [end - begin >= TILE_TOKENS for begin, end in batches for _ in range(begin, end)]


@given(sparse)
def test_batches_cover_a_prompt_and_are_neither_too_large_nor_needlessly_small(prompt: list[int]) -> None:
    cut, total = cut_of(prompt, is_control), len(prompt)
    batches = list(batches_of(0, cut, total))
    assert [at for begin, end in batches for at in range(begin, end)] == list(range(total))
    assert all(end - begin <= BATCH_TOKENS for begin, end in batches)
    assert batches[0][1] <= FIRST_TOKENS, "threads are chosen anew soon after the first look"
    small = [(begin, end) for begin, end in batches if end - begin < TILE_TOKENS]
    assert len(small) <= 1
    assert all(end == total and begin == cut for begin, end in small), "a small batch is a whole segment"


@given(sparse, st.lists(st.sampled_from([CONTROL, 2, 3]), min_size=1, max_size=200))
def test_what_is_left_of_a_prompt_is_computed_as_the_whole_would_be(prefix: list[int], rest: list[int]) -> None:
    held = held_of(prefix, is_control)
    prompt = prefix + rest
    cut, total = cut_of(prompt, is_control), len(prompt)
    start = start_in(held, cut, total) if held else 0
    assert 0 <= start <= held
    whole = tiled(list(batches_of(0, cut, total)))
    of_the_prefix = tiled(list(batches_of(0, first_control(prefix, is_control), held)))
    assert len(set(of_the_prefix)) <= 1, "a state at rest has tokens of one path alone"
    assert of_the_prefix[:start] + tiled(list(batches_of(start, cut, total))) == whole
    assert start < total, "the last token is always computed: its logits are wanted"


@given(sparse)
def test_what_decodes_a_batch_divides_it_no_more(prompt: list[int]) -> None:
    """`Context.decode` takes batches of a prompt, each of which it would divide as it does here."""
    for begin, end in batches_of(0, cut_of(prompt, is_control), len(prompt)):
        assert list(batches_of(0, 0, end - begin, first=BATCH_TOKENS)) == [(0, end - begin)]


def test_a_system_message_is_saved_whole() -> None:
    """The case that it is made for: a message of 2,000 tokens, its end, and what opens the user's."""
    prefix = [2] * 2000 + [CONTROL, 3, CONTROL, 4, 5]
    held = held_of(prefix, is_control)
    assert held == 2001
    for rest in (8, 30, 63, 64, 700):
        prompt = prefix + [6] * rest
        assert start_of(held, cut_of(prompt, is_control), len(prompt)) == held, rest


def test_what_is_too_short_is_no_template() -> None:
    assert held_of([2] * 7, is_control) == 0
    assert held_of([2] * 8, is_control) == 8
    assert held_of([2] * 64, is_control) == 64
    assert start_of(64, 0, 127) == 63
    assert start_of(64, 0, 100) == 36
    assert start_of(64, 0, 64) == 0


def test_a_short_template_is_for_short_prompts() -> None:
    assert [start_in(24, 0, total) for total in (26, 63, 64, 24)] == [24, 24, 0, 0]
    assert start_in(24, 0, 25) == 0, "one token by itself is computed in yet another way"
    assert start_in(24, 70, 90) == 0, "the first segment is computed in the other way"
    assert start_in(63, 0, 63) == 0


def decoded(model: Model, prompt: list[int], batches: list[tuple[int, int]], threads: int) -> bytes:
    """The KV state after these batches."""
    context = Context(model, 1024)
    context.start_threads(threads)
    context.set_threads(threads)
    for begin, end in batches:
        context.decode(prompt[begin:end], begin)
    return context.save()


@pytest.fixture(scope="module")
def prompt() -> list[int]:
    """700 tokens of no meaning."""
    return random.Random(7).choices(range(100, 40_000), k=700)


@pytest.mark.slow
def test_this_build_has_the_bytes_that_the_division_counts_on(model: Model, prompt: list[int]) -> None:
    """And the control: one batch below 64 changes them. If that fails, ggml's tile has another size now."""
    whole = decoded(model, prompt, [(0, 512), (512, 700)], 1)
    assert decoded(model, prompt, [(0, 512), (512, 700)], 2) == whole
    assert decoded(model, prompt, [(0, 64), (64, 400), (400, 636), (636, 700)], 2) == whole
    assert decoded(model, prompt, [(0, 400), (400, 463), (463, 700)], 1) != whole


@pytest.mark.slow
@pytest.mark.parametrize("total", [27, 63])
@pytest.mark.parametrize("held", [9, 23, -2])
def test_this_build_has_the_same_bytes_of_short_ones(model: Model, prompt: list[int], held: int, total: int) -> None:
    """And the control: what was computed so is not what a longer prompt would have there."""
    held %= total
    whole = decoded(model, prompt, [(0, total)], 1)
    for threads in (1, 2):
        assert decoded(model, prompt, [(0, held), (held, total)], threads) == whole
    assert decoded(model, prompt, [(0, held), (held, 200)], 1) != decoded(model, prompt, [(0, 200)], 1)


def test_what_another_prompt_can_start_from() -> None:
    """A segment of 64 tokens and more is the same bytes in a longer prompt; a shorter one is not."""
    assert same_of(0, 63) == 0
    assert same_of(0, 64) == 64
    assert same_of(100, 163) == 100
    assert same_of(100, 164) == 164
