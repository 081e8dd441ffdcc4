"""Compare a model with what was made of it: perplexity, greedy answers, speed. In a process of its own, for which
the command waits; nothing was asked there, and both models end with it.

The result, as JSON and in a sidecar (weights/prepared.py):

    source, prepared        each {"size_bytes", "perplexity", "prefill_tok_s", "decode_tok_s"}
    perplexity_ratio        of prepared to source, and perplexity_ratio_error, its standard error over the tokens
    divergence              of the predictions from the source's, Kullback-Leibler, nats, the mean over the tokens
    same_top                share of the tokens at which both hold the same token for the likeliest
    answers, same_answers   how many were asked, and how many are the same to the last token
    common_tokens           how far the common beginning reaches on average, of answer_tokens on average
    ..._again               the same of the source and itself, computed without flash attention
    text_tokens, threads    of the text; that the speeds were measured with
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from noghost.engine import throwaway
from noghost.errors import EngineError

if TYPE_CHECKING:
    from noghost.engine.quality import Reading

CONTEXT_TOKENS = 2048
AGAIN = "again"  # the source, read a second time


def compare(source: Path, source_is_prepared: bool, made: Path, threads: int) -> dict[str, Any]:
    """What the module's head says. Raises EngineError with what the other process said."""
    taken = os.memfd_create("noghost-comparison", os.MFD_CLOEXEC)
    try:
        arguments = [str(taken), str(threads), str(int(source_is_prepared)), str(source), str(made)]
        word, status = throwaway.run(__spec__.name, arguments, (taken,))
        if word != throwaway.SUCCESS:
            said = word.decode("utf-8", "replace") or throwaway.ending(status, made)
            raise EngineError(f"could not compare the models: {said}")
        found: dict[str, Any] = json.loads(os.pread(taken, os.fstat(taken).st_size, 0))
        return found
    finally:
        os.close(taken)


def measure(paths: dict[str, tuple[Path, bool]], threads: int) -> dict[str, Any]:
    """In the child. `paths`: name -> (file, whether it is repacked when loaded), source first."""
    from noghost.engine import quality, speed
    from noghost.engine.context import Context
    from noghost.engine.loaded import load

    loaded = {name: load(path, CONTEXT_TOKENS, repack=repack) for name, (path, repack) in paths.items()}
    source = next(iter(loaded.values()))
    again = replace(source, context=Context(source.model, CONTEXT_TOKENS, flash_attention=False))
    for one in (*loaded.values(), again):
        one.context.start_threads(threads)
    contexts = {name: one.context for name, one in loaded.items()}
    speeds = speed.compare(contexts, threads)
    questions = quality.prompts()
    said, *others = (quality.answers(one, questions) for one in (*loaded.values(), again))
    readers = {name: quality.Reader(one.model, one.context) for name, one in {**loaded, AGAIN: again}.items()}
    tokens = source.model.tokenize(quality.text(), add_special=True, parse_special=False)
    readings = quality.read(readers, tokens)
    each = {
        name: {"size_bytes": path.stat().st_size, "perplexity": math.exp(fmean(readings[name].losses)), **speeds[name]}
        for name, (path, _) in paths.items()
    }
    return {
        **each,
        **ratio(*(readings[name].losses for name in paths)),
        **nearness(readings[list(paths)[-1]]),
        **agreement(said, others[0]),
        **{f"{key}_again": value for key, value in {**nearness(readings[AGAIN]), **agreement(said, others[1])}.items()},
        "text_tokens": len(readings[AGAIN].losses),
        "threads": threads,
    }


def of_itself(found: dict[str, Any]) -> dict[str, Any]:
    """What was found of the source and itself, by the names that the same has of the prepared form."""
    return {key.removesuffix("_again"): value for key, value in found.items() if key.endswith("_again")}


def nearness(reading: Reading) -> dict[str, float]:
    """Of predictions to the source's."""
    return {"divergence": fmean(reading.divergences), "same_top": fmean(reading.same_top)}


def ratio(source: list[float], made: list[float]) -> dict[str, float]:
    """Of the perplexities, with its standard error: token by token, since both read the same text."""
    differences = [after - before for before, after in zip(source, made, strict=True)]
    middle = math.exp(fmean(differences))
    error = middle * stdev(differences) / math.sqrt(len(differences))
    return {"perplexity_ratio": middle, "perplexity_ratio_error": error}


def agreement(source: list[list[int]], made: list[list[int]]) -> dict[str, float]:
    """Of the answers."""
    from noghost.engine.quality import common

    pairs = list(zip(source, made, strict=True))
    return {
        "answers": len(pairs),
        "same_answers": sum(before == after for before, after in pairs),
        "common_tokens": fmean(common(before, after) for before, after in pairs),
        "answer_tokens": fmean(len(before) for before, _after in pairs),
    }


def tell(taken: int, threads: int, source_is_prepared: bool, source: Path, made: Path) -> None:
    """In the child: measure, and write the result."""
    found = measure({"source": (source, source_is_prepared), "prepared": (made, True)}, threads)
    os.pwrite(taken, json.dumps(found).encode(), 0)


if __name__ == "__main__":
    mouth, taken_fd, thread_count, before = (int(argument) for argument in sys.argv[1:5])
    throwaway.work(mouth, lambda: tell(taken_fd, thread_count, bool(before), Path(sys.argv[5]), Path(sys.argv[6])))
