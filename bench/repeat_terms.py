"""Compute one prompt on given terms, and print digests of what came of it: a program for bench/repeat.py.

    python bench/repeat_terms.py '{"tokens": 700, "threads": 1, "batch": 0, "context": 8192, "prefix": 0}'

`prefix` is how many tokens are computed in a batch of their own first, as a template's are.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import random
import sys
from collections.abc import Iterator
from typing import Any

from noghost.engine.context import Context
from noghost.engine.llama import C
from noghost.engine.model import Model
from noghost.engine.sampler import Sampler, SamplingParams
from noghost.weights.find import find

ANSWER_TOKENS = 48
SEED = 11


def prompt(tokens: int, vocabulary: int) -> list[int]:
    """The same tokens in every process."""
    chance = random.Random(SEED)
    return [chance.randrange(1000, vocabulary) for _ in range(tokens)]


def division(terms: dict[str, int]) -> Iterator[tuple[int, int]]:
    """(begin, end) of what is computed at once; 0 for `batch` is noghost's own rule."""
    if terms["prefix"]:
        yield 0, terms["prefix"]
    size = terms["batch"] or terms["tokens"]
    for begin in range(terms["prefix"], terms["tokens"], size):
        yield begin, min(begin + size, terms["tokens"])


def computed(terms: dict[str, int], temperature: float) -> dict[str, str]:
    """Digests of the logits after the prompt and after the answer, and of the answer's tokens."""
    model = Model.load(find(as_published=True).path)
    context = Context(model, terms["context"])
    context.start_threads(terms["threads"])
    context.set_threads(terms["threads"])
    tokens = prompt(terms["tokens"], model.n_vocab)
    for begin, end in division(terms):
        context.decode(tokens[begin:end], begin)
    logits = logits_of(context, model.n_vocab)
    sampler = Sampler(model, SamplingParams(seed=SEED, temperature=temperature, ignore_eos=True))
    answer: list[int] = []
    while len(answer) < ANSWER_TOKENS:
        answer.append(sampler.sample(context))
        context.decode(answer[-1:], context.position)
    later = logits_of(context, model.n_vocab)
    return {"logits": logits, "later": later, "answer": hashlib.sha256(repr(answer).encode()).hexdigest()}


def logits_of(context: Context, vocabulary: int) -> str:
    """SHA-256 over the float32 of the last token."""
    pointer: Any = C.llama_get_logits_ith(context.handle, -1)
    data = ctypes.string_at(ctypes.cast(pointer, ctypes.c_void_p), 4 * vocabulary)
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    print(json.dumps({str(temperature): computed(wanted, temperature) for temperature in (0.0, 1.0)}))
