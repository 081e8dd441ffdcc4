"""How fast two forms of one model compute on this machine now: in turns, so that both meet the same minute.

In a process of its own (comparison.py): it computes with threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from time import perf_counter

from noghost.engine.context import Context
from noghost.engine.llama import C

PROMPT_TOKENS = 512
ANSWER_TOKENS = 24
ROUNDS = 5
FIRST_TOKEN, TOKENS = 1000, 4000  # of every vocabulary that matters; which tokens they are changes no speed


def compare(contexts: Mapping[str, Context], threads: int) -> dict[str, dict[str, float]]:
    """Prefill and decode of each context in tokens a second, the medians of a few rounds (A B, B A)."""
    for context in contexts.values():
        context.set_threads(threads)
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in contexts}
    for turn in range(-1, ROUNDS):
        for name in list(contexts)[:: 1 if turn % 2 else -1]:
            found = _once(contexts[name])
            samples[name] += [found] if turn >= 0 else []  # the first round only warms up
    return {name: _medians(found) for name, found in samples.items()}


def _once(context: Context) -> tuple[float, float]:
    """Seconds for one prompt and for one answer."""
    tokens = [FIRST_TOKEN + index * 7919 % TOKENS for index in range(PROMPT_TOKENS + ANSWER_TOKENS)]
    begun_s = perf_counter()
    context.decode(tokens[:PROMPT_TOKENS], 0)
    prefilled_s = perf_counter()
    for position in range(PROMPT_TOKENS, len(tokens)):
        context.decode([tokens[position]], position)
    done_s = perf_counter()
    C.llama_memory_clear(C.llama_get_memory(context.handle), False)
    return prefilled_s - begun_s, done_s - prefilled_s


def _medians(samples: Sequence[tuple[float, float]]) -> dict[str, float]:
    prefills_s, decodes_s = zip(*samples, strict=True)
    return {
        "prefill_tok_s": PROMPT_TOKENS / median(prefills_s),
        "decode_tok_s": ANSWER_TOKENS / median(decodes_s),
    }
