"""A text as one vector: the last hidden state of its tokens, pooled and brought to length 1. In an instance.

The context is the one that was inherited. It gives each token's hidden state and they are pooled here, batch by batch:
llama.cpp's own pooling wants a whole text in one batch, and would keep as many rows of logits as that has tokens.

How they are pooled says the GGUF (`pooling_type`). Of one that does not, as of any model that was made to answer, the
mean is taken: what `llama-server --embeddings --pooling mean` gives. (Without that option llama-server refuses such a
model at /v1/embeddings.)
"""

from __future__ import annotations

import ctypes
import math
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add

from noghost.engine.context import Context
from noghost.engine.llama import C
from noghost.engine.model import Model
from noghost.errors import EngineError, RequestError

Row = Sequence[float]


def first(rows: Iterable[Row]) -> Row:
    """The first token's: [CLS] of BERT and its kin."""
    return next(iter(rows))


def last(rows: Iterable[Row]) -> Row:
    """The last token's, which has seen all others."""
    return deque(rows, maxlen=1).pop()


def mean(rows: Iterable[Row]) -> Row:
    """The direction of the mean; its length is not looked at."""
    total: Row = ()
    for row in rows:
        total = list(map(add, total, row)) if total else row
    return total


POOLS = {
    C.LLAMA_POOLING_TYPE_NONE: mean,
    C.LLAMA_POOLING_TYPE_MEAN: mean,
    C.LLAMA_POOLING_TYPE_CLS: first,
    C.LLAMA_POOLING_TYPE_LAST: last,
}


def pool_of(model: Model) -> Callable[[Iterable[Row]], Row]:
    """How `model` is pooled. RequestError for one that ranks pairs of texts and embeds none."""
    pool = POOLS.get(C.LLAMA_POOLING_TYPE_NONE if model.pooling is None else model.pooling)
    if pool is None:
        raise RequestError("this model ranks texts and has no embeddings; choose another one", param="model")
    return pool


def embed(model: Model, ctx: Context, tokens: Sequence[int], threads: Callable[[], int]) -> array[float]:
    """The vector of one text: `n_embd` 32-bit floats of length 1. In the compute thread.

    `ctx` must be empty, and is again. `threads` is asked before each batch. What `tokens` may be, `check` says. Raises
    RequestError for a model that has no embeddings, EngineError if llama.cpp fails.
    """
    pool = pool_of(model)
    vector = unit(pool(hidden(model, ctx, tokens, threads)))
    if not ctx.keep_first(0):
        raise EngineError("llama.cpp could not forget a text")
    return vector


def check(model: Model, ctx: Context, tokens: Sequence[int], place: str) -> None:
    """Raise RequestError, which names the `place` in the request, for what `embed` cannot take."""
    most = min(ctx.n_ctx if model.is_causal else ctx.n_batch, model.n_ctx_train)
    if not tokens:
        raise RequestError(f"{place} is empty", param=place)
    if len(tokens) > most:
        raise RequestError(
            f"{place} has {len(tokens)} tokens and does not fit the context of {most} tokens; send it in parts",
            code="context_length_exceeded",
            param=place,
        )
    if not model.has(tokens):
        raise RequestError(f"{place} holds a token that this model has not", code="invalid_value", param=place)


def hidden(model: Model, ctx: Context, tokens: Sequence[int], threads: Callable[[], int]) -> Iterator[Row]:
    """Yield the last hidden state of each token."""
    ctx.give_all(True)
    for begin, end in ctx.batches(len(tokens)):
        ctx.set_threads(threads())
        ctx.decode(tokens[begin:end], begin)
        for row in range(end - begin):
            pointer = C.llama_get_embeddings_ith(ctx.handle, row)
            if not pointer:
                raise EngineError("llama.cpp has no hidden state of this token")
            yield list((ctypes.c_float * model.n_embd).from_address(ctypes.addressof(pointer.contents)))


def unit(row: Row) -> array[float]:
    """The same direction, of length 1, as llama-server gives it; zeros stay zeros. Raises EngineError for infinity."""
    length = math.hypot(*row)
    if not math.isfinite(length):
        raise EngineError("llama.cpp computed a hidden state that is not finite")
    return array("f", (value / (length or 1.0) for value in row))
