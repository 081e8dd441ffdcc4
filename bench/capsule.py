"""TTFT of going on with a long conversation: with its capsule, and computing it again.

    python bench/capsule.py [--rounds N] [--tokens N] [--quick] [--out DIR]

Each round is a new conversation of random words: one question of about `--tokens` tokens, whose answer brings a
capsule, and then a short one, asked twice, with the capsule and without, in turns (A B, then B A). One service, one
caller, a new connection each time; the clock starts before it and ends at the first text, so sending the capsule is in
it. Writes DIR/benchmarks/capsule.md and capsule.json (every sample), DIR/img/capsule.png.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

from facts import ROOT, facts, publish
from plots import OTHERS, OURS, dots, figure

from noghost.client.bench.ratio import ratio
from noghost.client.conversation import Conversation
from noghost.client.hunt.launch import own_server
from noghost.client.timing.words import fresh_prompt
from noghost.weights.find import find

THREADS = 2
CONTEXT_TOKENS = 8192
ANSWER_TOKENS = 16
PROMISED = 0.10
SHORT = "And what came after that?"
AGAIN, CAPSULE = "computed again", "with its capsule"
Samples = dict[str, list[float]]


def main() -> None:
    """Measure, then write the table and the plot."""
    options = parse()
    rounds, tokens = (2, 500) if options.quick else (options.rounds, options.tokens)
    weights = find(as_published=True).path
    described = facts(weights, ("noghost", "llama-cpp-python", "cryptography"))
    described |= {"threads": str(THREADS), "context": f"{CONTEXT_TOKENS} tokens", "rounds": str(rounds)}
    samples: Samples = defaultdict(list)
    arguments = ("--model", str(weights), "--threads", str(THREADS), "--context", str(CONTEXT_TOKENS))
    with own_server(arguments) as server:
        one_round(server.url, 100, 0, defaultdict(list))  # not counted
        for turn in range(rounds):
            one_round(server.url, tokens, turn, samples)
            print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    publish(options.out, "capsule", "Going on with a capsule", page(samples), described)
    (options.out / "benchmarks" / "capsule.json").write_text(json.dumps({"facts": described, "samples": samples}))
    plot(samples, options.out / "img" / "capsule.png")


def one_round(url: str, tokens: int, turn: int, samples: Samples) -> None:
    """One conversation."""
    settings = {"temperature": 0, "max_tokens": ANSWER_TOKENS, "ignore_eos": True}
    question = fresh_prompt(tokens)
    with (
        Conversation(url, **settings) as talk,
        Conversation(url, capsules=False, **settings) as plain,
    ):
        for _ in talk.say(question):
            pass
        if not talk.capsule_bytes:
            raise SystemExit("the answer brought no capsule")
        samples["first_tokens"].append(talk.facts["total_tokens"])
        samples["capsule_bytes"].append(talk.capsule_bytes)
        samples["seal_and_come_s"].append(talk.way_s)
        plain.messages = list(talk.messages)
        answers = {}
        for name, one in ((CAPSULE, talk), (AGAIN, plain))[:: 1 if turn % 2 else -1]:
            seconds, answers[name] = timed(one)
            samples[name].append(seconds)
        samples["spared_tokens"].append(talk.facts["capsule_tokens"])
        samples["open_s"].append(talk.facts["capsule_ms"] / 1e3)
        samples["same_answer"].append(float(answers[CAPSULE] == answers[AGAIN]))


def timed(talk: Conversation) -> tuple[float, str]:
    """Seconds to the first text of the next answer, and the answer."""
    begun_s = time.perf_counter()
    first_s, told = 0.0, []
    for piece in talk.say(SHORT):
        first_s = first_s or time.perf_counter() - begun_s
        told.append(piece)
    return first_s, "".join(told)


def page(samples: Samples) -> list[str]:
    """The table and what it says."""
    middle, low, high = ratio(samples[AGAIN], samples[CAPSULE])
    mega = statistics.median(samples["capsule_bytes"]) / 1e6
    tokens = statistics.median(samples["first_tokens"])
    rows = [
        ("conversation", f"{tokens:.0f} tokens, {statistics.median(samples['spared_tokens']):.0f} of them spared"),
        ("TTFT, computed again", seconds(samples[AGAIN])),
        ("TTFT, with its capsule", seconds(samples[CAPSULE])),
        ("**ratio**", f"**{middle:.3f}** ({low:.3f} to {high:.3f}); promised: at most {PROMISED:.2f}"),
        ("size of the capsule", f"{mega:.1f} MB, {1e6 * mega / tokens:.0f} bytes a token"),
        ("to take it, seal it and send it", seconds(samples["seal_and_come_s"])),
        ("to open it, check it and give it to the context", seconds(samples["open_s"])),
        ("the same answer, both ways", f"{sum(samples['same_answer']):.0f} of {len(samples['same_answer'])}"),
    ]
    table = ["| | median (least to most) |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    text = (
        "TTFT is the caller's: from before the connection to the first text, the capsule's way to the service included."
        " The ratio is of medians, with a bootstrap interval of 95 %."
    )
    return [*table, "", text, "", "![Time to first token with and without the capsule](../img/capsule.png)"]


def seconds(samples: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(samples):.2f} s ({min(samples):.2f} to {max(samples):.2f})"


def plot(samples: Samples, path: Path) -> None:
    """Every TTFT as a dot, on one logarithmic axis."""
    with figure(path, size=(8, 2.2)) as axes:
        dots(axes, {name: samples[name] for name in (AGAIN, CAPSULE)}, (OTHERS, OURS))
        axes.set(xscale="log", xlabel="time to the first token, s (logarithmic)")
        axes.set_title(
            f"Going on after {statistics.median(samples['first_tokens']):.0f} tokens", loc="left", fontsize=10
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="going on with a capsule, and without")
    parser.add_argument("--rounds", type=int, default=7, help="conversations")
    parser.add_argument("--tokens", type=int, default=4000, help="about so many in each")
    parser.add_argument("--quick", action="store_true", help="two short rounds, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
