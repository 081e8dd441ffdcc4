"""How well a model predicts a text, and what it answers greedily: measured, to compare two forms of one model.

In a process of its own (comparison.py). The text and the prompts ship with the package. What two forms differ by says
little alone: a file differs from itself as soon as its sums are rounded otherwise, which they are without flash
attention. So that is measured beside it, to tell how much of a difference is none. All of it is computed with one
thread: the result does not depend on the machine's load, nor does it wait for threads that others keep from running
(measured beside a busy core: 7 minutes with two threads, under one with one).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from noghost.engine.context import Context
from noghost.engine.generate import Done, generate
from noghost.engine.llama import C
from noghost.engine.loaded import Loaded
from noghost.engine.model import Model
from noghost.engine.sampler import SamplingParams
from noghost.errors import EngineError

ANSWER_TOKENS = 32
BATCH_TOKENS = 64  # predictions of all of them are kept at once: 25 MB for 49,152 tokens of vocabulary
FEWEST_BEFORE = 16  # the first tokens are predicted from next to nothing, and would be noise


def text() -> str:
    """About 600 words of plain prose."""
    return _shipped("text.txt")


def prompts() -> list[str]:
    """Twenty short questions."""
    return _shipped("prompts.txt").splitlines()


@dataclass(frozen=True, slots=True)
class Reader:
    """What reads a text."""

    model: Model
    context: Context

    def predictions(self, tokens: Sequence[int], start: int) -> Iterator[Any]:
        """Decode, and yield for each token ln p of all that may follow it, shape (n_vocab,), float64."""
        import numpy as np  # here: it starts threads, and a context is made before

        for row in self._logits(tokens, start):
            logits = np.array(row, dtype=np.float64)
            logits -= logits.max()
            yield logits - np.log(np.exp(logits).sum())

    def _logits(self, tokens: Sequence[int], start: int) -> Iterator[Any]:
        """Decode, and yield for each token the logits of what follows it, shape (n_vocab,)."""
        import numpy as np

        batch = C.llama_batch_init(len(tokens), 0, 1)
        for index, token in enumerate(tokens):
            batch.token[index], batch.pos[index], batch.logits[index] = token, start + index, 1
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
        batch.n_tokens = len(tokens)
        status = C.llama_decode(self.context.handle, batch)
        C.llama_batch_free(batch)
        if status != 0:
            raise EngineError(f"llama.cpp failed to decode {len(tokens)} tokens (status {status})")
        for index in range(len(tokens)):
            yield np.ctypeslib.as_array(C.llama_get_logits_ith(self.context.handle, index), (self.model.n_vocab,))


@dataclass(frozen=True, slots=True)
class Reading:
    """How a form predicts a text: one value for each of its tokens but the first few."""

    losses: list[float] = field(default_factory=list)  # -ln p of the token that follows; perplexity is e to their mean
    divergences: list[float] = field(default_factory=list)  # Kullback-Leibler, from the first reader's prediction, nats
    same_top: list[bool] = field(default_factory=list)  # the likeliest token is the first reader's


def read(readers: Mapping[str, Reader], tokens: Sequence[int]) -> dict[str, Reading]:
    """Have all of them read a text, in step, with one thread. Their contexts are empty before and after.

    Divergence and likeliest token as llama.cpp's `llama-perplexity --kl-divergence` takes them (tools/perplexity).
    Raises EngineError if llama.cpp fails.
    """
    import numpy as np

    found = {name: Reading() for name in readers}
    for reader in readers.values():
        reader.context.set_threads(1)
    for begin in range(0, len(tokens) - 1, BATCH_TOKENS):
        end = min(begin + BATCH_TOKENS, len(tokens) - 1)
        sources: list[Any] = []
        for name, reader in readers.items():
            for index, predicted in enumerate(reader.predictions(tokens[begin:end], begin)):
                if len(sources) == index:
                    sources.append(predicted)
                source = sources[index]
                found[name].losses.append(float(-predicted[tokens[begin + index + 1]]))
                found[name].divergences.append(float((np.exp(source) * (source - predicted)).sum()))
                found[name].same_top.append(bool(source.argmax() == predicted.argmax()))
    for reader in readers.values():
        _clear(reader.context)
    return {name: _after_the_first(reading) for name, reading in found.items()}


def _after_the_first(reading: Reading) -> Reading:
    first = FEWEST_BEFORE
    return Reading(reading.losses[first:], reading.divergences[first:], reading.same_top[first:])


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


def _clear(context: Context) -> None:
    C.llama_memory_clear(C.llama_get_memory(context.handle), False)


def _shipped(name: str) -> str:
    return (resources.files("noghost.engine") / "quality_data" / name).read_text("utf-8")
