"""What a server gains that computes the next token of several callers in one pass, which processes of their own cannot.

    python bench/together.py [--rounds N] [--out DIR]

On one machine, in turns: as many processes as there are cores, a thread and an answer each, a token at a time; and one
process with all threads, each of whose passes computes one token of each of N answers. Nothing else runs in them: no
service, no HTTP, no sampling. So the ratio bounds what `hot.py` can find for so many callers, prefill aside. Writes
DIR/benchmarks/together.md and DIR/img/together.png.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from facts import ROOT, facts, publish
from plots import OURS, QUIET, figure, open_frame

from noghost.client.bench.ratio import ratio
from noghost.config import cores
from noghost.engine import context as contexts
from noghost.engine.llama import C, set_fields
from noghost.engine.model import Model
from noghost.weights.find import find

CALLERS = (1, 2, 4, 8)
CONTEXT_TOKENS = 512  # of each answer
PROMPT_TOKENS = 64
STEPS = 48
FIRST_TOKEN = 1000  # any of the vocabulary: what is said does not matter to how long it takes


def main() -> None:
    options = parse()
    if options.answers:
        serve(options.answers, options.threads)
        return
    described = facts(find().path, ("llama-cpp-python",)) | {"rounds": str(options.rounds)}
    apart: list[float] = []
    together: dict[int, list[float]] = {callers: [] for callers in CALLERS}
    with ExitStack() as stack:
        alone = [stack.enter_context(worker(1, 1)) for _ in range(cores())]
        joint = {callers: stack.enter_context(worker(callers, cores())) for callers in CALLERS}
        for turn in range(options.rounds + 1):
            speed = tokens_per_second(alone, 1)
            if turn:  # the first round reads the weights
                apart.append(speed)
            for callers, one in joint.items():
                speed = tokens_per_second([one], callers)
                if turn:
                    together[callers].append(speed)
    write(options.out, apart, together, described)


def write(out: Path, apart: list[float], together: dict[int, list[float]], described: dict[str, str]) -> None:
    rows = ["| | tokens a second, all answers | apart / together |", "|---|---|---|"]
    rows.append(f"| apart: {cores()} processes, a thread each | {statistics.median(apart):.0f} | |")
    for callers, speeds in together.items():
        middle, low, high = ratio(speeds, apart)
        shown = f"**{middle:.2f}** ({low:.2f} to {high:.2f})"
        rows.append(f"| together: {callers} in one pass | {statistics.median(speeds):.0f} | {shown} |")
    rows += [
        "",
        "Decode alone, in bare processes: what processes of their own can reach at best against a server that computes",
        "so many answers in one pass. [hot](hot.md) has the two as services.",
        "",
        "![Tokens a second, apart and together](../img/together.png)",
    ]
    publish(out, "together", "Together: several answers in one pass", rows, described)
    with figure(out / "img" / "together.png", size=(6, 3)) as axes:
        names = [str(callers) for callers in together]
        axes.plot(
            names, [statistics.median(speeds) for speeds in together.values()], "o-", color=QUIET, label="together"
        )
        axes.axhline(statistics.median(apart), color=OURS, label="apart")
        axes.set(xlabel="answers in one pass", ylabel="decode, tokens a second", ylim=(0, None))
        axes.legend(frameon=False)
        open_frame(axes)


@contextmanager
def worker(answers: int, threads: int) -> Iterator[subprocess.Popen[str]]:
    """A process of `serve`, which is ready."""
    command = [sys.executable, __file__, "--answers", str(answers), "--threads", str(threads)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.stdin.close()


def tokens_per_second(workers: list[subprocess.Popen[str]], answers: int) -> float:
    """Of all of them, which compute at the same time."""
    for one in workers:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    return sum(STEPS * answers / float(one.stdout.readline()) for one in workers if one.stdout)


def serve(answers: int, threads: int) -> None:
    """Whenever a line comes: decode so many steps of all answers, and say how many seconds that took."""
    context = context_for(answers)
    context.start_threads(threads)
    context.set_threads(threads)
    memory = C.llama_get_memory(context.handle)
    print("ready", flush=True)
    for _ in sys.stdin:
        C.llama_memory_clear(memory, False)
        for answer in range(answers):
            decode(context, [(FIRST_TOKEN + at, at, answer) for at in range(PROMPT_TOKENS)], last_alone=True)
        began_s = time.perf_counter()
        for step in range(PROMPT_TOKENS, PROMPT_TOKENS + STEPS):
            decode(context, [(FIRST_TOKEN + step, step, answer) for answer in range(answers)])
        print(time.perf_counter() - began_s, flush=True)


def context_for(answers: int) -> contexts.Context:
    """As a service makes it, with room for so many sequences."""
    one = contexts._params

    def params_for_all(model: Model, n_ctx: int, flash_attention: int) -> Any:
        params = one(model, n_ctx, flash_attention)
        set_fields(params, n_seq_max=answers)
        return params

    contexts._params = params_for_all
    return contexts.Context(Model.load(find().path), CONTEXT_TOKENS * answers, releasable=False)


def decode(context: contexts.Context, tokens: list[tuple[int, int, int]], *, last_alone: bool = False) -> None:
    """(token, position, sequence) of each, in one pass; logits of all, or of the last alone."""
    batch = C.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for at, (token, position, sequence) in enumerate(tokens):
        batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, position, 1
        batch.seq_id[at][0] = sequence
        batch.logits[at] = not last_alone or at == len(tokens) - 1
    if C.llama_decode(context.handle, batch):
        raise SystemExit("llama.cpp failed to decode")
    C.llama_batch_free(batch)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="decode speed of several answers, apart and in one pass")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--answers", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
