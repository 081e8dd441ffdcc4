"""How likely the model held the tokens of an answer: log-softmax of its raw logits, before any sampler.

In an instance, for a caller that asks for it: some milliseconds a token. As llama-server gives it (`n_probs` without
`post_sampling_probs`) and as OpenAI describes `logprobs`.
"""

from __future__ import annotations

import ctypes
import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from noghost.engine.context import Context
from noghost.engine.llama import C
from noghost.errors import EngineError

LEAST = -9999.0  # OpenAI's own word for "as good as never"; JSON has no infinity


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it would hold content
class TokenLogprob:
    """A chosen token, the natural logarithm of its probability, and the likeliest tokens with theirs in order."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


def logprob_of(ctx: Context, n_vocab: int, token: int, top: int) -> TokenLogprob:
    """Of `token`, chosen after the last decode, and the `top` likeliest. Raises EngineError without logits."""
    pointer = C.llama_get_logits_ith(ctx.handle, -1)
    if not pointer:
        raise EngineError("llama.cpp has no logits of the last token")
    return of_logits(list((ctypes.c_float * n_vocab).from_address(ctypes.addressof(pointer.contents))), token, top)


def of_logits(logits: Sequence[float], token: int, top: int) -> TokenLogprob:
    """The same, of one row of logits."""
    highest = max(logits)
    total = highest + math.log(math.fsum(math.exp(logit - highest) for logit in logits))
    best = heapq.nlargest(top, range(len(logits)), key=logits.__getitem__) if top else []
    return TokenLogprob(
        token, max(LEAST, logits[token] - total), tuple((one, max(LEAST, logits[one] - total)) for one in best)
    )
