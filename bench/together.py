"""What a server gains that computes the next token of several callers in one pass, which processes of their own cannot.

    python bench/together.py [--rounds N] [--out DIR]

For N answers, in turns: N processes, an answer each, a token at a time, with a thread each (one alone has all of them);
and one process with all threads, each of whose passes computes a token of each answer. Nothing else runs in them: no
service, no HTTP, no sampling, and the prompt is not counted. `hot.py` has the two as services. Writes
DIR/benchmarks/together.md and DIR/img/together.png.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
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
Speeds = dict[int, list[float]]  # answers -> tokens a second
FIRST_TOKEN = 1000  # any of the vocabulary: what is said does not matter to how long it takes


def main() -> None:
    options = parse()
    if options.answers:
        serve(options.answers, options.threads)
        return
    described = facts(find(as_published=True).path, ("llama-cpp-python",)) | {"rounds": str(options.rounds)}
    apart: Speeds = {callers: [] for callers in CALLERS}
    together: Speeds = {callers: [] for callers in CALLERS}
    with ExitStack() as stack:
        workers = Workers(stack)
        for turn in range(options.rounds + 1):
            for callers in CALLERS:
                measures = [(apart, [1] * callers), (together, [callers])]
                for found, answers in measures if turn % 2 == 0 else measures[::-1]:
                    speed = tokens_per_second(workers.of(answers))
                    if turn:  # the first round loads the weights
                        found[callers].append(speed)
    write(options.out, apart, together, described)


def write(out: Path, apart: Speeds, together: Speeds, described: dict[str, str]) -> None:
    rows = ["| answers | apart, tokens a second | together, tokens a second | apart / together |", "|---|---|---|---|"]
    for callers in CALLERS:
        middle, low, high = ratio(together[callers], apart[callers])
        both = " | ".join(f"{statistics.median(one[callers]):.0f}" for one in (apart, together))
        rows.append(f"| {callers} | {both} | **{middle:.2f}** ({low:.2f} to {high:.2f}) |")
    rows += [
        "",
        "All answers together, decode alone. Apart: a process and a thread for each answer, all threads for one alone.",
        "Together: one process, all threads, one pass for a token of each. No service is in these: [hot](hot.md) is.",
        "",
        "![Tokens a second, apart and together](../img/together.png)",
    ]
    publish(out, "together", "Together: several answers in one pass", rows, described)
    with figure(out / "img" / "together.png", size=(6, 3)) as axes:
        for speeds, color, label in ((together, QUIET, "together, in one pass"), (apart, OURS, "apart, in processes")):
            axes.plot([*map(str, speeds)], [*map(statistics.median, speeds.values())], "o-", color=color, label=label)
        axes.set(xlabel="answers at the same time", ylabel="decode, tokens a second", ylim=(0, None))
        axes.legend(frameon=False)
        open_frame(axes)


@dataclass(frozen=True)
class Worker:
    """A process of `serve`, which is ready."""

    process: subprocess.Popen[str]
    answers: int

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def heard(self) -> str:
        assert self.process.stdout is not None
        if line := self.process.stdout.readline():
            return line.strip()
        raise SystemExit("a process that is measured has ended")


class Workers:
    """Each is started when it is first needed, and used again."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: dict[tuple[int, int, int], Worker] = {}

    def of(self, answers: list[int]) -> list[Worker]:
        """One for each entry, of so many answers: with all threads where it is alone."""
        threads = cores() if len(answers) == 1 else 1
        return [self._one(at, one, threads) for at, one in enumerate(answers)]

    def _one(self, at: int, answers: int, threads: int) -> Worker:
        if (at, answers, threads) not in self._started:
            command = [sys.executable, __file__, "--answers", str(answers), "--threads", str(threads)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._stack.enter_context(process)
            self._stack.callback(process.kill)
            self._started[at, answers, threads] = Worker(process, answers)
        return self._started[at, answers, threads]


def tokens_per_second(workers: list[Worker]) -> float:
    """All tokens, over the time until the last process has its own; they begin together, the prompts computed."""
    for line in ("prompt", "go"):
        for one in workers:
            one.say(line)
        heard = [float(one.heard()) for one in workers]
    return sum(STEPS * one.answers for one in workers) / max(heard)


def serve(answers: int, threads: int) -> None:
    """At a line "prompt" compute the prompts, at a line "go" so many steps of all answers; say how many seconds."""
    context = context_for(answers)
    context.start_threads(threads)
    context.set_threads(threads)
    for line in sys.stdin:
        began_s = time.perf_counter()
        if line == "prompt\n":
            C.llama_memory_clear(C.llama_get_memory(context.handle), False)
            for answer in range(answers):
                decode(context, [(FIRST_TOKEN + at, at, answer) for at in range(PROMPT_TOKENS)], last_alone=True)
        else:
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
    return contexts.Context(Model.load(find(as_published=True).path), CONTEXT_TOKENS * answers, releasable=False)


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
