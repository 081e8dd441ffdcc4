"""How likely the model held the tokens of an answer, or of a prompt: log-softmax of its raw logits, before any sampler.

In an instance, for a caller that asks for it: some milliseconds a token. As llama-server gives it (`n_probs` without
`post_sampling_probs`) and as OpenAI describes `logprobs`.
"""

from __future__ import annotations

import ctypes
import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from noghost.engine.batches import batches_of, cut_of
from noghost.engine.context import Context
from noghost.engine.llama import C
from noghost.engine.model import Model
from noghost.errors import EngineError

LEAST = -9999.0  # OpenAI's own word for "as good as never"; JSON has no infinity


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it would hold content
class TokenLogprob:
    """A chosen token, the natural logarithm of its probability, and the likeliest tokens with theirs in order."""

    token: int
    logprob: float | None  # None: nothing stands before it
    top: tuple[tuple[int, float], ...]


def logprobs_of_prompt(
    model: Model, ctx: Context, tokens: Sequence[int], top: int, threads: Callable[[], int]
) -> Iterator[TokenLogprob]:
    """Of each token of a prompt after those before it. In an empty context, which then holds the prompt.

    The batches are those of generate.py, so that the KV cache gets the same bytes. Logits of a whole batch are kept
    at a time, 128 rows of the vocabulary. Raises EngineError.
    """
    yield TokenLogprob(tokens[0], None, ())
    ctx.give_all(True)
    for begin, end in batches_of(0, cut_of(tokens, model.is_control), len(tokens)):
        ctx.set_threads(threads())
        ctx.decode(tokens[begin:end], begin)
        for row, token in enumerate(tokens[begin + 1 : end + 1]):
            yield logprob_of(ctx, model.n_vocab, token, top, row)
    ctx.give_all(False)


def logprob_of(ctx: Context, n_vocab: int, token: int, top: int, row: int = -1) -> TokenLogprob:
    """Of `token`, which came after the last decode or after that `row` of it, and the `top` likeliest. Raises
    EngineError without logits."""
    pointer = C.llama_get_logits_ith(ctx.handle, row)
    if not pointer:
        raise EngineError("llama.cpp has no logits of this token")
    return of_logits(list((ctypes.c_float * n_vocab).from_address(ctypes.addressof(pointer.contents))), token, top)


def of_logits(logits: Sequence[float], token: int, top: int) -> TokenLogprob:
    """The same, of one row of logits."""
    highest = max(logits)
    total = highest + math.log(math.fsum(math.exp(logit - highest) for logit in logits))
    best = heapq.nlargest(top, range(len(logits)), key=logits.__getitem__) if top else []
    return TokenLogprob(
        token, max(LEAST, logits[token] - total), tuple((one, max(LEAST, logits[one] - total)) for one in best)
    )
