"""How well a model predicts a text, and what it answers greedily: measured, to compare two forms of one model.

In a process of its own (comparison.py). The text and the prompts ship with the package. All of it is computed with one
thread: the result does not depend on the machine's load, nor does it wait for threads that others keep from running
(measured beside a busy core: 7 minutes with two threads, under one with one).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib import resources

from noghost.engine.context import Context
from noghost.engine.generate import Done, generate
from noghost.engine.llama import C
from noghost.engine.loaded import Loaded
from noghost.engine.model import Model
from noghost.engine.sampler import SamplingParams
from noghost.errors import EngineError

ANSWER_TOKENS = 32
BATCH_TOKENS = 64  # logits of all of them at once: 13 MB for 49,152 tokens of vocabulary
FEWEST_BEFORE = 16  # the first tokens are predicted from next to nothing, and would be noise


def text() -> str:
    """About 600 words of plain prose."""
    return _shipped("text.txt")


def prompts() -> list[str]:
    """Twenty short questions."""
    return _shipped("prompts.txt").splitlines()


def losses(model: Model, context: Context, tokens: Sequence[int]) -> list[float]:
    """-ln p of each token after the first few, given all before it; perplexity is e to the power of their mean.

    `context` is empty before and after. Raises EngineError if llama.cpp fails.
    """
    found: list[float] = []
    context.set_threads(1)
    for begin in range(0, len(tokens) - 1, BATCH_TOKENS):
        end = min(begin + BATCH_TOKENS, len(tokens) - 1)
        rows = _all_logits(model, context, tokens[begin:end], begin)
        pairs = zip(rows, tokens[begin + 1 : end + 1], strict=True)
        found += [_loss(row, token) for row, token in pairs]
    _clear(context)
    return found[FEWEST_BEFORE:]


def answers(loaded: Loaded, questions: Sequence[str]) -> list[list[int]]:
    """The tokens of a greedy answer to each question, at most 32."""
    return [_answer(loaded, question) for question in questions]


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two answers have in common from their beginning."""
    for count, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return count
    return min(len(one), len(other))


def _answer(loaded: Loaded, question: str) -> list[int]:
    """Text becomes tokens again: what a caller would see is what is compared."""
    prompt = loaded.model.tokenize_prompt(loaded.template.render([{"role": "user", "content": question}]))
    greedy = SamplingParams(seed=0, temperature=0)
    run = generate(loaded.model, loaded.context, prompt, greedy, max_tokens=ANSWER_TOKENS, stops=(), threads=lambda: 1)
    pieces = [chunk.text for chunk in run if not isinstance(chunk, Done)]
    _clear(loaded.context)
    return loaded.model.tokenize("".join(pieces), add_special=False, parse_special=False)


def _all_logits(model: Model, context: Context, tokens: Sequence[int], start: int) -> Iterator[list[float]]:
    """Decode, and yield for each token the logits of what follows it, shape (n_vocab,)."""
    batch = C.llama_batch_init(len(tokens), 0, 1)
    for index, token in enumerate(tokens):
        batch.token[index], batch.pos[index], batch.logits[index] = token, start + index, 1
        batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
    batch.n_tokens = len(tokens)
    status = C.llama_decode(context.handle, batch)
    C.llama_batch_free(batch)
    if status != 0:
        raise EngineError(f"llama.cpp failed to decode {len(tokens)} tokens (status {status})")
    for index in range(len(tokens)):
        yield C.llama_get_logits_ith(context.handle, index)[: model.n_vocab]


def _loss(logits: Sequence[float], token: int) -> float:
    top = max(logits)
    return top + math.log(sum(map(math.exp, (logit - top for logit in logits)))) - logits[token]


def _clear(context: Context) -> None:
    C.llama_memory_clear(C.llama_get_memory(context.handle), False)


def _shipped(name: str) -> str:
    return (resources.files("noghost.engine") / "quality_data" / name).read_text("utf-8")
