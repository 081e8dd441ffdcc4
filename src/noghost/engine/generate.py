"""One answer: prefill, sample, decode, stream.

In an instance, in a worker thread: all that takes time is in C, with the GIL released.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from noghost.engine.batches import batches_of, cut_of, start_of
from noghost.engine.context import Context
from noghost.engine.logprobs import TokenLogprob, logprob_of
from noghost.engine.model import Model
from noghost.engine.sampler import Sampler, SamplingParams
from noghost.engine.text import AnswerText
from noghost.errors import EngineError, RequestError

if TYPE_CHECKING:  # the library behind it is for those who serve
    from noghost.engine.grammar import Constraint


@dataclass(frozen=True, repr=False)  # no repr: it would hold content
class Chunk:
    """A piece of the answer, and how many tokens it took since the chunk before it."""

    text: str
    token_count: int
    logprobs: tuple[TokenLogprob, ...] = ()  # of these tokens, where they were asked for
    choice: int = 0  # of several answers to one prompt, one after the other


@dataclass(frozen=True, repr=False)  # no repr: `stop` is the caller's
class Done:
    """The end of the answer.

    `completion_tokens` counts every token that was sampled, an end-of-generation token and those of a stop
    string included, as llama-server counts. `prefill_s` is the time of computing until the first token was
    chosen, `decode_s` that of all others; neither holds the time in which the caller of `generate` worked.
    `stop` is the stop string that ended it. "tool_calls" is said by whoever reads the text (api/turn.py), and so is
    `reasoning_tokens`: of the reasoning's text, None where the model does not reason.
    """

    finish_reason: Literal["stop", "length", "tool_calls"]
    prompt_tokens: int
    completion_tokens: int
    prefill_s: float
    decode_s: float
    stop: str | None
    choice: int = 0
    reasoning_tokens: int | None = None


def together(ends: Sequence[Done]) -> Done:
    """The figures of several answers to one prompt; the first one's prefill is the prompt's."""
    first, last = ends[0], ends[-1]
    completion_tokens = sum(end.completion_tokens for end in ends)
    decode_s = sum(end.decode_s for end in ends) + sum(end.prefill_s for end in ends[1:])
    thought = None if last.reasoning_tokens is None else sum(end.reasoning_tokens or 0 for end in ends)
    return replace(
        last,
        completion_tokens=completion_tokens,
        prefill_s=first.prefill_s,
        decode_s=decode_s,
        reasoning_tokens=thought,
    )


def rewind(model: Model, ctx: Context, prompt_tokens: Sequence[int]) -> None:
    """Forget an answer, and as much of its prompt's end as must be computed anew to give the same bytes."""
    total = len(prompt_tokens)
    if not ctx.keep_first(start_of(total, cut_of(prompt_tokens, model.is_control), total)):
        ctx.keep_first(0)


def generate(
    model: Model,
    ctx: Context,
    prompt_tokens: Sequence[int],
    params: SamplingParams,
    *,
    max_tokens: int | None,
    stops: Sequence[str],
    threads: Callable[[], int],
    on_first: Callable[[], None] | None = None,
    top_logprobs: int | None = None,
    shown: Collection[int] = (),
    ends: Collection[int] = (),
    constraint: Constraint | None = None,
) -> Iterator[Chunk | Done]:
    """Answer a prompt: chunks of text, then one `Done`.

    What `ctx` holds already must be the beginning of `prompt_tokens` (a template); the rest is prefilled.
    `threads` is asked once before the first decode and after each one, for how many threads to use next;
    `on_first` is called when the first token was chosen. `max_tokens` None means until the context is full, which
    also ends a longer answer. With `top_logprobs`, 0 or more, each chunk brings the probabilities of its tokens.
    `shown`: control tokens that are text here (`Family.markers`, for a parser); of all others nothing is seen. `ends`:
    tokens that end the answer beside those of the GGUF (`Family.ends`).
    A `constraint` that nothing was said under yet holds the answer to its grammar, if its end is not reached before.

    Raises RequestError at once, before anything is computed, if the prompt does not fit the context or a
    parameter is wrong; EngineError, while iterating, if llama.cpp fails.
    """
    if not model.is_causal:
        raise RequestError("this model embeds texts and answers none; send them to /v1/embeddings", param="model")
    room = _room(ctx, len(prompt_tokens))
    if ctx.position >= len(prompt_tokens):
        raise EngineError("the context holds as many tokens as the prompt, or more")
    limit = room if max_tokens is None else min(max_tokens, room)
    sampler = Sampler(model, params, constraint)
    sampler.accept(prompt_tokens)
    run = _Run(ctx, sampler, threads, model.is_control)
    if top_logprobs is not None:
        run.look = lambda token: logprob_of(ctx, model.n_vocab, token, top_logprobs)
    return _answer(model, run, prompt_tokens, limit, AnswerText(stops), on_first or _nothing, shown, ends)


def _room(ctx: Context, prompt_tokens: int) -> int:
    """How many tokens the answer can have. Raises RequestError if there is not room for one."""
    if prompt_tokens == 0:
        raise RequestError("the prompt is empty", param="messages")
    if prompt_tokens >= ctx.n_ctx:
        raise RequestError(
            f"the prompt has {prompt_tokens} tokens and does not fit the context of {ctx.n_ctx} tokens",
            code="context_length_exceeded",
            param="messages",
        )
    return ctx.n_ctx - prompt_tokens


def _answer(
    model: Model,
    run: _Run,
    prompt: Sequence[int],
    limit: int,
    answer: AnswerText,
    on_first: Callable[[], None],
    shown: Collection[int],
    ends: Collection[int],
) -> Iterator[Chunk | Done]:
    """Turn tokens into text until one of the four ends: end of generation, stop string, limit, error."""
    counted = 0  # tokens that chunks have told of
    reason: Literal["stop", "length"] = "length"
    for token in run.tokens(prompt, limit):
        if run.sampled == 1:
            on_first()
        if model.is_eog(token) or token in ends:
            reason = "stop"
            break
        if text := answer.feed(model.piece(token, special=token in shown)):
            yield Chunk(text, run.sampled - counted, run.seen())
            counted = run.sampled
        if answer.stop is not None:
            reason = "stop"
            break
    if text := answer.flush():
        yield Chunk(text, run.sampled - counted, run.seen())
    reason = "stop" if answer.stop is not None else reason
    yield Done(reason, len(prompt), run.sampled, run.prefill_s, run.decode_s, answer.stop)


class _Run:
    """The loop of sampling and decoding, and its clock."""

    def __init__(
        self, ctx: Context, sampler: Sampler, threads: Callable[[], int], is_control: Callable[[int], bool]
    ) -> None:
        self._ctx, self._sampler, self._threads, self._is_control = ctx, sampler, threads, is_control
        self._next_threads = 0
        self.look: Callable[[int], TokenLogprob] | None = None  # at the logits that a token was chosen from
        self._seen: list[TokenLogprob] = []
        self.sampled = 0
        self.prefill_s = 0.0
        self.decode_s = 0.0

    def tokens(self, prompt: Sequence[int], limit: int) -> Iterator[int]:
        """Yield up to `limit` tokens; the last one is not decoded, since nothing follows it."""
        if limit <= 0:
            return
        cut = cut_of(prompt, self._is_control)
        batches = batches_of(self._ctx.position, cut, len(prompt))
        token, self.prefill_s = self._step(prompt[begin:end] for begin, end in batches)
        yield token
        while self.sampled < limit:
            token, seconds = self._step([[token]])
            self.decode_s += seconds
            yield token

    def seen(self) -> tuple[TokenLogprob, ...]:
        """Of the tokens since the last call."""
        seen, self._seen = tuple(self._seen), []
        return seen

    def _step(self, batches: Iterable[Sequence[int]]) -> tuple[int, float]:
        """Decode `batches`, choose the next token; return it and the seconds that took."""
        started_s = perf_counter()
        for batch in batches:
            self._ctx.set_threads(self._next_threads or self._threads())
            self._ctx.decode(batch, self._ctx.position)
            # Now, before the caller of `generate` wakes others up; but a prefill looks before each of its batches.
            self._next_threads = self._threads() if len(batch) == 1 else 0
        token = self._sampler.sample(self._ctx)
        self.sampled += 1
        if self.look is not None:
            self._seen.append(self.look(token))
        return token, perf_counter() - started_s


def _nothing() -> None:
    """Stand in for `on_first`."""
