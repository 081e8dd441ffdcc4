"""How the next token is chosen: llama.cpp's samplers, in llama-server's order.

In an instance. The order is that of llama.cpp's common/sampling.cpp (common_sampler_init) with
llama-server's defaults: logit bias, penalties, top-k, top-p, min-p, temperature, draw. A sampler that its
parameter switches off is left out of the chain; that changes no result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noghost.engine.context import Context
from noghost.engine.llama import C, set_fields
from noghost.engine.model import Model
from noghost.errors import RequestError

if TYPE_CHECKING:  # the library behind it is for those who serve
    from noghost.engine.grammar import Constraint

MIN_KEEP = 0  # candidates that top-p and min-p always keep; llama-server's default
# llama.cpp takes the seed 0xFFFFFFFF (LLAMA_DEFAULT_SEED) as "draw one": no seed is ever folded onto it.
SEEDS = 0xFFFFFFFF
MAX_REPEAT_LAST_N = 1 << 16


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """How to sample. The defaults are llama-server's; the seed is always given: a run can be repeated.

    A temperature of 0 or less is greedy. `logit_bias` is pairs of (token id, bias in logits, -inf forbids).
    Raises RequestError, with the parameter's name, for a value that llama.cpp does not survive.
    """

    seed: int
    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    ignore_eos: bool = False

    def __post_init__(self) -> None:
        """Check every range; NaN fails each of them."""
        infinity = math.inf
        _check("temperature", self.temperature, -infinity < self.temperature < infinity)
        _check("top_k", self.top_k, -(1 << 31) <= self.top_k < 1 << 31)
        _check("top_p", self.top_p, 0 <= self.top_p <= 1)
        _check("min_p", self.min_p, 0 <= self.min_p <= 1)
        _check("repeat_penalty", self.repeat_penalty, 0 < self.repeat_penalty < infinity)
        _check("repeat_last_n", self.repeat_last_n, 0 <= self.repeat_last_n <= MAX_REPEAT_LAST_N)
        _check("frequency_penalty", self.frequency_penalty, -infinity < self.frequency_penalty < infinity)
        _check("presence_penalty", self.presence_penalty, -infinity < self.presence_penalty < infinity)
        for _token, bias in self.logit_bias:
            _check("logit_bias", bias, bias < infinity)

    @property
    def penalises(self) -> bool:
        """Tell whether earlier tokens matter to the next one's choice."""
        neutral = self.repeat_penalty == 1.0 and self.frequency_penalty == self.presence_penalty == 0.0
        return self.repeat_last_n > 0 and not neutral


class Sampler:
    """A sampler chain for one answer. Never freed: it ends with its process.

    With a constraint, no token is chosen that it forbids. Raises RequestError for a biased token that the vocabulary
    has not (llama.cpp does not check the id).
    """

    def __init__(self, model: Model, params: SamplingParams, constraint: Constraint | None = None) -> None:
        """Build the chain."""
        self._params = params
        self._constraint = constraint
        self._chain = _chain(_samplers(model, params))

    def accept(self, tokens: Sequence[int]) -> None:
        """Let the penalties know the prompt, as llama-server does."""
        if self._params.penalises:
            for token in tokens[-self._params.repeat_last_n :]:
                C.llama_sampler_accept(self._chain, token)

    def sample(self, ctx: Context) -> int:
        """Choose the token after the last decoded one, and accept it."""
        if self._constraint is None:
            return int(C.llama_sampler_sample(self._chain, ctx.handle, -1))
        token = self._sample_allowed(ctx, self._constraint.biases())
        self._constraint.accept(token)
        return token

    def _sample_allowed(self, ctx: Context, biases: Any) -> int:
        """Put a sampler before the chain that forbids: llama.cpp has none whose biases can be changed."""
        chain = _chain((C.llama_sampler_init_logit_bias(len(biases), len(biases), biases), self._chain))
        token = int(C.llama_sampler_sample(chain, ctx.handle, -1))
        C.llama_sampler_chain_remove(chain, 1)  # ours goes on
        C.llama_sampler_free(chain)
        return token


def _chain(samplers: Iterable[int]) -> Any:
    """A sampler that applies others in order."""
    params = C.llama_sampler_chain_default_params()
    set_fields(params, no_perf=True)
    chain = C.llama_sampler_chain_init(params)
    for sampler in samplers:
        C.llama_sampler_chain_add(chain, sampler)
    return chain


def _samplers(model: Model, params: SamplingParams) -> Iterator[int]:
    """Yield the chain's samplers in order; the last one draws."""
    bias = _bias(model, params)
    if bias:
        yield C.llama_sampler_init_logit_bias(model.n_vocab, len(bias), bias)
    if params.penalises:
        penalties = params.repeat_penalty, params.frequency_penalty, params.presence_penalty
        yield C.llama_sampler_init_penalties(model.n_vocab, params.repeat_last_n, *penalties)
    if params.temperature <= 0:
        yield C.llama_sampler_init_greedy()
        return
    yield C.llama_sampler_init_top_k(params.top_k)
    yield C.llama_sampler_init_top_p(params.top_p, MIN_KEEP)
    yield C.llama_sampler_init_min_p(params.min_p, MIN_KEEP)
    yield C.llama_sampler_init_temp(params.temperature)
    yield C.llama_sampler_init_dist(params.seed % SEEDS)


def _bias(model: Model, params: SamplingParams) -> Any:
    """Return a C array of the biases: the request's, the GGUF's forbidden tokens, and ignore_eos."""
    for token, _bias_logits in params.logit_bias:
        _check("logit_bias", token, 0 <= token < model.n_vocab)
    forbidden = model.suppressed_tokens + (model.eog_tokens if params.ignore_eos else ())
    pairs = [*params.logit_bias, *((token, -math.inf) for token in forbidden)]
    return (C.llama_logit_bias * len(pairs))(*pairs)


def _check(name: str, value: float, holds: bool) -> None:
    if not holds:
        raise RequestError(f"{name} is out of range: {value}", code="invalid_value", param=name)
