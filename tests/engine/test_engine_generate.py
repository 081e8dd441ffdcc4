"""One answer from the real model: its text, its end, its counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from noghost.engine.batches import batches_of, cut_of
from noghost.engine.context import Context
from noghost.engine.generate import Chunk, Done, generate
from noghost.engine.model import Model
from noghost.engine.sampler import SamplingParams
from noghost.errors import EngineError, RequestError

GREEDY = SamplingParams(seed=0, temperature=0)
PARIS = "The capital of France is Paris."


def answer(
    model: Model,
    ctx: Context,
    prompt: Sequence[int],
    params: SamplingParams = GREEDY,
    max_tokens: int | None = 12,
    stops: Sequence[str] = (),
) -> tuple[str, list[Chunk], Done]:
    run = generate(model, ctx, prompt, params, max_tokens=max_tokens, stops=stops, threads=lambda: 1)
    *chunks, done = run
    assert isinstance(done, Done)
    texts = [chunk for chunk in chunks if isinstance(chunk, Chunk)]
    assert len(texts) == len(chunks)
    return "".join(chunk.text for chunk in texts), texts, done


def fresh(model: Model, n_ctx: int = 256) -> Context:
    context = Context(model, n_ctx)
    context.start_threads(1)
    return context


def test_a_greedy_answer_ends_with_its_turn(model: Model, ctx: Context, paris: list[int]) -> None:
    text, chunks, done = answer(model, ctx, paris)
    assert text == PARIS
    assert (done.finish_reason, done.stop) == ("stop", None)
    assert done.prompt_tokens == len(paris)
    assert done.completion_tokens == sum(chunk.token_count for chunk in chunks) + 1  # the end of turn
    assert done.prefill_s > 0
    assert done.decode_s > 0
    assert all(chunk.text for chunk in chunks)


def test_the_limit_ends_an_answer(model: Model, ctx: Context, paris: list[int]) -> None:
    text, chunks, done = answer(model, ctx, paris, max_tokens=3)
    assert text == "The capital of"
    assert (done.finish_reason, done.completion_tokens) == ("length", 3)
    assert [chunk.token_count for chunk in chunks] == [1, 1, 1]
    assert ctx.position == len(paris) + 2  # the last token is not decoded: nothing follows it


def test_a_stop_string_across_tokens_ends_an_answer_and_is_not_shown(
    model: Model, ctx: Context, paris: list[int]
) -> None:
    text, _chunks, done = answer(model, ctx, paris, stops=["nothing", "of Fran"])
    assert text == "The capital "
    assert (done.finish_reason, done.stop) == ("stop", "of Fran")
    assert done.completion_tokens == 4


def test_text_held_back_for_a_stop_string_is_shown_at_the_end(model: Model, ctx: Context, paris: list[int]) -> None:
    text, _chunks, done = answer(model, ctx, paris, stops=["Paris. And"])
    assert (text, done.finish_reason) == (PARIS, "stop")


def test_bytes_of_one_character_from_several_tokens_come_together(model: Model) -> None:
    ghost = model.tokenize("👻", add_special=False, parse_special=False)
    assert len(ghost) > 1
    context = fresh(model)
    echo = model.tokenize("👻👻👻👻👻👻👻👻", add_special=False, parse_special=False)
    text, chunks, done = answer(model, context, echo, max_tokens=3 * len(ghost))
    assert "\ufffd" not in text[:-1]
    assert sum(chunk.token_count for chunk in chunks) <= done.completion_tokens
    assert any(chunk.token_count > 1 for chunk in chunks)


@pytest.mark.slow
def test_the_end_of_the_context_ends_an_answer(model: Model, paris: list[int]) -> None:
    context = fresh(model)
    prompt = (paris * 20)[: context.n_ctx - 3]
    params = SamplingParams(seed=0, temperature=0, ignore_eos=True)
    for max_tokens in (None, 100):
        _text, _chunks, done = answer(model, context, prompt, params, max_tokens=max_tokens)
        assert (done.finish_reason, done.completion_tokens) == ("length", 3)
        context = fresh(model)


def test_a_prompt_that_does_not_fit_names_both_numbers_before_anything_is_computed(
    model: Model, ctx: Context, paris: list[int]
) -> None:
    for length in (ctx.n_ctx, 1000):
        with pytest.raises(RequestError) as caught:
            generate(model, ctx, (paris * 50)[:length], GREEDY, max_tokens=1, stops=(), threads=lambda: 1)
        assert str(length) in caught.value.message
        assert str(ctx.n_ctx) in caught.value.message
        assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")
        assert caught.value.param == "messages"
    assert ctx.position == 0
    with pytest.raises(RequestError, match="empty"):
        generate(model, ctx, [], GREEDY, max_tokens=1, stops=(), threads=lambda: 1)


@pytest.mark.slow
def test_a_prompt_longer_than_a_batch_is_prefilled_in_batches(model: Model, paris: list[int]) -> None:
    filler = model.tokenize("Say a word. " * 170, add_special=False, parse_special=True)
    prompt = filler + paris
    context = fresh(model, 1024)
    assert context.n_batch < len(prompt) < context.n_ctx
    asked: list[int] = []

    def threads() -> int:
        asked.append(context.position)
        return 1

    run = generate(model, context, prompt, GREEDY, max_tokens=1, stops=(), threads=threads)
    assert isinstance([*run][-1], Done)
    assert asked == [begin for begin, _ in batches_of(0, cut_of(prompt, model.is_control), len(prompt))]
    assert len(asked) > 3
    assert context.position == len(prompt)


def test_what_the_context_holds_already_is_not_computed_again(model: Model, paris: list[int]) -> None:
    context = fresh(model)
    context.decode(paris[:10], 0)
    text, _chunks, done = answer(model, context, paris)
    assert (text, done.prompt_tokens) == (PARIS, len(paris))
    with pytest.raises(EngineError, match="holds"):
        generate(model, context, paris, GREEDY, max_tokens=1, stops=(), threads=lambda: 1)


def test_on_first_is_called_once_before_the_first_chunk(model: Model, ctx: Context, paris: list[int]) -> None:
    events: list[str] = []
    run = generate(
        model,
        ctx,
        paris,
        GREEDY,
        max_tokens=3,
        stops=(),
        threads=lambda: 1,
        on_first=lambda: events.append("first"),
    )
    assert events == []
    events += [type(part).__name__ for part in run]
    assert events == ["first", "Chunk", "Chunk", "Chunk", "Done"]


@pytest.mark.slow
def test_the_same_seed_repeats_and_another_does_not(model: Model, paris: list[int]) -> None:
    def run(seed: int) -> str:
        params = SamplingParams(seed=seed, temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, ignore_eos=True)
        return answer(model, fresh(model), paris, params)[0]

    first = run(7)
    assert run(7) == first
    assert run(8) != first
    drawn = [run(0xFFFFFFFF) for _ in range(2)]  # llama.cpp's "draw a seed" must repeat, too
    assert drawn[0] == drawn[1]


def test_top_k_of_one_is_greedy(model: Model, ctx: Context, paris: list[int]) -> None:
    params = SamplingParams(seed=3, temperature=5.0, top_k=1)
    assert answer(model, ctx, paris, params)[0] == PARIS


def test_ignore_eos_goes_on_after_the_end(model: Model, ctx: Context, paris: list[int]) -> None:
    params = SamplingParams(seed=0, temperature=0, ignore_eos=True)
    text, _chunks, done = answer(model, ctx, paris, params, max_tokens=15)
    assert text.startswith(PARIS)
    assert (done.finish_reason, done.completion_tokens) == ("length", 15)


def test_a_bias_forbids_and_forces_tokens(model: Model, paris: list[int]) -> None:
    (the,) = model.tokenize("The", add_special=False, parse_special=False)
    (forced,) = model.tokenize(" ghost", add_special=False, parse_special=False)
    forbid = SamplingParams(seed=0, temperature=0, logit_bias=((the, -math.inf),))
    force = SamplingParams(seed=0, temperature=0, logit_bias=((forced, 1000.0),))
    assert not answer(model, fresh(model), paris, forbid)[0].startswith("The")
    assert answer(model, fresh(model), paris, force, max_tokens=2)[0] == " ghost ghost"


@pytest.mark.slow
def test_penalties_know_the_prompt_and_the_answer(model: Model, paris: list[int]) -> None:
    (forced,) = model.tokenize(" ghost", add_special=False, parse_special=False)
    bias = ((forced, 100.0),)
    force = SamplingParams(seed=0, temperature=0, logit_bias=bias)
    once = SamplingParams(seed=0, temperature=0, logit_bias=bias, presence_penalty=1000.0)
    assert answer(model, fresh(model), paris, force, max_tokens=2)[0] == " ghost ghost"
    assert answer(model, fresh(model), paris, once, max_tokens=2)[0].count(" ghost") == 1
    haunted = [*paris[:-3], forced, *paris[-3:]]
    assert answer(model, fresh(model), haunted, once, max_tokens=2)[0].count(" ghost") == 0
    unseen = [forced, *paris, *paris, *paris]  # more than repeat_last_n ago
    assert answer(model, fresh(model), unseen, once, max_tokens=2)[0].count(" ghost") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"repeat_penalty": 0.0},
        {"repeat_last_n": -1},
        {"frequency_penalty": math.inf},
        {"presence_penalty": math.nan},
        {"top_k": 1 << 31},
        {"logit_bias": ((1, math.nan),)},
    ],
)
def test_a_value_that_llama_cpp_does_not_survive_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(RequestError) as caught:
        SamplingParams(seed=0, **wrong)  # type: ignore[arg-type]
    assert caught.value.param in wrong
    assert caught.value.status == 400


@pytest.mark.parametrize("token", [-1, 49152])
def test_a_bias_of_no_token_is_refused(model: Model, ctx: Context, paris: list[int], token: int) -> None:
    params = SamplingParams(seed=0, logit_bias=((token, 1.0),))
    with pytest.raises(RequestError, match="logit_bias"):
        generate(model, ctx, paris, params, max_tokens=1, stops=(), threads=lambda: 1)


def test_a_context_refuses_what_does_not_follow_or_fit(model: Model, ctx: Context, paris: list[int]) -> None:
    with pytest.raises(EngineError, match="position 1"):
        ctx.decode(paris, 1)
    with pytest.raises(EngineError, match="of 256"):
        ctx.decode([1] * 257, 0)
    with pytest.raises(EngineError, match="status"):
        ctx.decode([model.n_vocab], 0)
    with pytest.raises(EngineError, match="already run"):
        ctx.start_threads(1)
    with pytest.raises(EngineError, match="compute threads"):
        Context(model, 256).start_threads(0)


def test_no_content_is_in_a_repr(model: Model, ctx: Context, paris: list[int]) -> None:
    text, chunks, done = answer(model, ctx, paris, stops=["Paris"])
    assert text == "The capital of France is "
    assert not any(word in repr((chunks, done)) for word in ("capital", "France", "Paris"))


def test_a_control_token_is_text_where_it_is_a_marker_and_ends_where_it_is_said_to(
    model: Model, paris: list[int]
) -> None:
    (marker,) = model.control_tokens(["<|im_start|>", "France", "<|im_start|>assistant"])
    only_it = SamplingParams(seed=0, temperature=0, logit_bias=((marker, 1e6),))

    def say(**special: frozenset[int]) -> tuple[str, Done]:
        run = generate(model, fresh(model), paris, only_it, max_tokens=2, stops=(), threads=lambda: 1, **special)
        *chunks, done = run
        assert isinstance(done, Done)
        return "".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk)), done

    unseen, done = say()
    assert (unseen, done.finish_reason, done.completion_tokens) == ("", "length", 2)
    shown, _done = say(shown=frozenset({marker}))
    assert shown == "<|im_start|>" * 2
    ended, done = say(ends=frozenset({marker}))
    assert (ended, done.finish_reason, done.completion_tokens) == ("", "stop", 1)
