"""Where the time goes from the knock to the first token: each step of an invocation, as the instance itself tells it.

    python bench/path.py [--rounds N] [--quick] [--out DIR]

Asked in turns with a hot stock llama-server, whose TTFT is the line to compare with; prompts are random words, new each
time. What the client sees before and after the instance's own steps is a step of its own ("outside"). Writes
DIR/benchmarks/path.md, path.json (every sample) and DIR/img/path.png.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from facts import ROOT, facts, publish
from hot import check, peers
from plots import figure

from noghost.client.bench import Peer
from noghost.client.bench.rounds import TTFT_ANSWER_TOKENS
from noghost.timeline import STEPS
from noghost.weights.find import find

LENGTHS = (50, 300, 1000)
MEANS = {
    "fork": "knock, until the child runs",
    "gate": "until the reaper traces it",
    "confine": "event loop, twelve steps",
    "request": "HTTP, JSON, checks",
    "template": "the chat template",
    "tokenise": "text to tokens",
    "seat": "a seat, the opened entry",
    "prefill": "threads, prefill, first token",
    "send": "the first event leaves",
    "outside": "connection and client",
}
Samples = dict[int, dict[str, list[float]]]  # prompt tokens -> step -> ms
COLOURS = ("#0b3c5d", "#1b6ca8", "#3d9be9", "#7b3f00", "#b5651d", "#e0a458", "#6a994e", "#bbbbbb", "#9b2226", "#dddddd")


def main() -> None:
    options = parse()
    weights = find(as_published=True).path
    described = facts(weights, ("noghost", "llama-cpp-python", "xllamacpp"))
    rounds = 3 if options.quick else options.rounds
    ours: Samples = {length: defaultdict(list) for length in LENGTHS}
    stock: dict[int, list[float]] = {length: [] for length in LENGTHS}
    with peers(weights, "noghost") as pair:
        for turn in range(rounds):
            for peer in pair if turn % 2 == 0 else pair[::-1]:
                for length in LENGTHS:
                    note(peer, length, ours, stock)
            print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    check(pair)
    described |= {"rounds": str(rounds), "answers": f"{TTFT_ANSWER_TOKENS} tokens, greedy, streamed; one caller"}
    publish(options.out, "path", "Path: from the knock to the first token", table(ours, stock), described)
    text = json.dumps({"facts": described, "noghost_ms": ours, "stock_ttft_ms": stock})
    (options.out / "benchmarks" / "path.json").write_text(text)
    plot(ours, stock, options.out / "img" / "path.png")


def note(peer: Peer, length: int, ours: Samples, stock: dict[int, list[float]]) -> None:
    """One answer."""
    more = {} if peer.name == "stock" else {"noghost": {"path": True}}
    timing = peer.ask(length, TTFT_ANSWER_TOKENS, **more)
    peer.samples["prompt_tokens"][length].append(timing.prompt_tokens)
    if peer.name == "stock":
        stock[length].append(timing.ttft_s * 1e3)
        return
    for step, took_ms in timing.path_ms.items():
        ours[length][step].append(took_ms)
    ours[length]["outside"].append(timing.ttft_s * 1e3 - sum(timing.path_ms.values()))
    ours[length]["ttft"].append(timing.ttft_s * 1e3)


def table(ours: Samples, stock: dict[int, list[float]]) -> list[str]:
    """A row for each step."""
    heads = " | ".join(f"{length} tokens" for length in LENGTHS)
    rows = [f"| step | what | {heads} |", "|---|---|" + "---|" * len(LENGTHS)]
    for step in (*STEPS, "outside"):
        cells = " | ".join(f"{statistics.median(ours[length][step]):.1f} ms" for length in LENGTHS)
        rows.append(f"| {step} | {MEANS[step]} | {cells} |")
    whole = " | ".join(f"**{statistics.median(ours[length]['ttft']):.0f} ms**" for length in LENGTHS)
    other = " | ".join(f"{statistics.median(stock[length]):.0f} ms" for length in LENGTHS)
    rows += [f"| TTFT | as the client sees it | {whole} |", f"| | stock llama-server, hot | {other} |"]
    note = (
        "Medians of all rounds. Where outside is negative, the client had the first token before the write of its event"
        " returned."
    )
    return [*rows, "", note, "", "![The steps, stacked, of each length](../img/path.png)"]


def plot(ours: Samples, stock: dict[int, list[float]], path: Path) -> None:
    """All steps but the prefill, stacked, and beside it the whole TTFT with the stock server's as a line."""
    with figure(path, 1, 2, size=(10, 4)) as (left, right):
        names = [str(length) for length in LENGTHS]
        for axes, left_out in ((left, {"prefill", "outside"}), (right, {"outside"})):
            bottom = [0.0] * len(LENGTHS)
            for step, colour in zip(STEPS, COLOURS, strict=False):
                if step in left_out:
                    continue
                heights = [statistics.median(ours[length][step]) for length in LENGTHS]
                axes.bar(names, heights, 0.6, bottom=bottom, label=step, color=colour)
                bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
            axes.set_xlabel("prompt tokens")
            axes.set_ylabel("ms")
        for at, length in enumerate(LENGTHS):
            middle = statistics.median(stock[length])
            right.plot(
                [at - 0.4, at + 0.4], [middle, middle], color="black", label="stock llama-server" if at == 0 else None
            )
        left.set_title("Everything but the prefill")
        right.set_title("All of it")
        left.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
        left.set_ylim(top=left.get_ylim()[1] * 1.4)
        right.legend(frameon=False, fontsize=8)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="where the time goes from the knock to the first token")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="three rounds, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
