"""How fast a prompt is computed in batches of 64, 128, 256 and 512 tokens, at one thread and at all.

    python bench/batches.py [--rounds N] [--out DIR]

Batches of one size and another in turns, in one process for each number of threads. Writes DIR/benchmarks/batches.md
and DIR/img/batches.png.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from facts import ROOT, facts, publish
from plots import OURS, QUIET, figure, open_frame

from noghost.config import cores
from noghost.engine import context as contexts
from noghost.engine.llama import C
from noghost.engine.model import Model
from noghost.weights.find import find

SIZES = (64, 128, 256, 512)
PROMPT_TOKENS = 512


def main() -> None:
    options = parse()
    if options.threads:
        print(json.dumps(measure(options.threads, options.rounds)))
        return
    described = facts(find(as_published=True).path, ("llama-cpp-python",)) | {"rounds": str(options.rounds)}
    rows = [f"| threads | {' | '.join(f'batches of {size}' for size in SIZES)} |", "|---|" + "---|" * len(SIZES)]
    speeds: dict[int, dict[int, float]] = {}  # threads, batch size -> median
    for threads in sorted({1, cores()}):
        command = [sys.executable, __file__, "--threads", str(threads), "--rounds", str(options.rounds)]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        speeds[threads] = {size: statistics.median(found[str(size)]) for size in SIZES}
        base = speeds[threads][SIZES[-1]]
        cells = (f"{speed:.0f} tok/s ({speed / base:.2f})" for speed in speeds[threads].values())
        rows.append(f"| {threads} | {' | '.join(cells)} |")
    note = f"Prefill of {PROMPT_TOKENS} random tokens: median, and its ratio to batches of {SIZES[-1]}."
    rows += ["", note, "", "![Prefill by the size of its batches](../img/batches.png)"]
    publish(options.out, "batches", "Batches: how fast a prompt is computed", rows, described)
    plot(speeds, options.out / "img" / "batches.png")


def plot(speeds: dict[int, dict[int, float]], path: Path) -> None:
    """A line for each number of threads."""
    with figure(path, size=(6, 3)) as axes:
        for (threads, by_size), color in zip(speeds.items(), (QUIET, OURS), strict=False):
            label = f"{threads} thread{'s' if threads > 1 else ''}"
            axes.plot([str(size) for size in by_size], by_size.values(), marker="o", color=color, label=label)
        axes.set(xlabel="tokens in a batch", ylabel="prefill, tokens a second", ylim=(0, None))
        axes.legend(frameon=False)
        open_frame(axes)


def measure(threads: int, rounds: int) -> dict[int, list[float]]:
    """In a process of its own: size -> tokens a second."""
    contexts.BATCH_TOKENS = SIZES[-1]  # what a context takes at once at the most
    context = contexts.Context(Model.load(find(as_published=True).path), 2 * PROMPT_TOKENS)
    context.start_threads(threads)
    context.set_threads(threads)
    tokens = random.Random(1).choices(range(1000, 40_000), k=PROMPT_TOKENS)
    found: dict[int, list[float]] = {size: [] for size in SIZES}
    for turn in range(rounds + 1):
        for size in SIZES if turn % 2 == 0 else SIZES[::-1]:
            C.llama_memory_clear(C.llama_get_memory(context.handle), False)
            began_s = time.perf_counter()
            for at in range(0, PROMPT_TOKENS, size):
                context._decode_batch(tokens[at : at + size])
            if turn:  # the first round reads the weights
                found[size].append(PROMPT_TOKENS / (time.perf_counter() - began_s))
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="prefill speed by batch size")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
