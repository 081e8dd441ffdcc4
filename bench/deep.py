"""Deep idle: what is left of a service that nobody asks, and how soon the knock that wakes it has its first token.

    python bench/deep.py [--rounds N] [--quick] [--out DIR]

`noghost serve --idle-exit`, its door alone left, against a stock llama-server that has put its model away
(`--sleep-idle-seconds`); and the same with the model's own beginning held (`noghost templates add NAME`), which a short
question such as this one starts from. All are alive during the whole run and wait until all are in deep idle; rounds
alternate.
Writes to DIR/benchmarks deep.md and deep.json, and DIR/img/deep.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from facts import ROOT, facts, publish
from plots import OTHERS, OURS, bars, dots, figure
from watching import Cost, watch

sys.path.insert(0, str(ROOT / "tests"))
from tables import against, quartiles

from noghost.client.bench.stream import server_at, stream
from noghost.weights.find import find
from running import Service, children, running, state, wait_for
from stock import Stock, stock_server

QUESTION = "What is the capital of France? Answer in one sentence."
CONTEXT_TOKENS = 8192
IDLE_S = 2
OPTIONS = ("--idle-exit", str(IDLE_S), "--context", str(CONTEXT_TOKENS))
OURS_BARE, OURS_HELD, STOCK = "noghost", "noghost, beginning held", "stock"
DEEP_S = 120.0  # a server that is not in deep idle by then never will be


def main() -> None:
    options = parse()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a package that pip installed has its bytecode
    weights = find(as_published=True).path
    described = facts(weights, ("noghost", "llama-cpp-python", "xllamacpp"))
    rounds, seconds = (2, 5.0) if options.quick else (options.rounds, 60.0)
    samples: dict[str, list[float]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory() as home,
        running(Path(home), *OPTIONS) as door,
        with_beginning(door) as other,
        stock_server(weights, n_ctx=CONTEXT_TOKENS, sleep_idle_s=IDLE_S) as stock,
    ):
        peers = [(OURS_BARE, door.url), (OURS_HELD, other.url), (STOCK, stock.url)]
        for _, url in peers:
            stream(server_at(url), "default", QUESTION, 2)  # not counted
        for turn in range(rounds):
            for name, url in peers if turn % 2 == 0 else peers[::-1]:
                all_deep((door, other), stock)
                samples[name].append(stream(server_at(url), "default", QUESTION, 2).ttft_s)
            print(f"round {turn + 1} of {rounds}", file=sys.stderr)
        all_deep((door, other), stock)
        idle = {
            "noghost: door": watch([door.pid], seconds),
            "stock llama-server, asleep": watch([stock.pid], seconds),
        }
    write(options.out, samples, idle, described)


@contextlib.contextmanager
def with_beginning(door: Service) -> Iterator[Service]:
    """Another, whose template is at rest before it starts."""
    door.noghost("templates", "add", "own", check=True)
    with running(door.home, *OPTIONS, "--template", "own") as other:
        yield other


def all_deep(doors: Sequence[Service], stock: Stock) -> None:
    """Wait until none has its model any more."""

    def alive() -> bool:
        return any(state(pid) not in ("Z", "") for door in doors for pid in children(door.pid))

    wait_for(lambda: not alive(), DEEP_S, "the doors to be alone")
    wait_for(lambda: sleeps(stock), DEEP_S, "the stock server to sleep")


def sleeps(stock: Stock) -> bool:
    """As it says itself; asking for this does not wake it."""
    time.sleep(0.2)
    with urllib.request.urlopen(stock.url + "/props", timeout=60) as answer:
        return bool(json.load(answer).get("is_sleeping"))


def write(out: Path, samples: dict[str, list[float]], idle: dict[str, Cost], described: dict[str, str]) -> None:
    rows = [
        "| first token from deep idle | seconds: median (quartiles) |",
        "|---|---|",
        *(f"| {name} | {quartiles(values)} |" for name, values in samples.items()),
        *(f"| {name} / {STOCK} | {against(samples[STOCK], samples[name])} |" for name in (OURS_BARE, OURS_HELD)),
        "",
        "| in deep idle | wake-ups a minute | processor time a minute | private memory |",
        "|---|---|---|---|",
        *(f"| {name} | {cost.cells()} |" for name, cost in idle.items()),
        "",
        "With systemd's socket activation no process of ours is left at all.",
        "",
        "![The wake, and what is kept for it](../img/deep.png)",
    ]
    publish(out, "deep", "Deep idle", rows, described)
    kept = {"facts": described, "ttft_s": samples, "idle": {name: cost._asdict() for name, cost in idle.items()}}
    (out / "benchmarks" / "deep.json").write_text(json.dumps(kept, indent=1) + "\n")
    plot(samples, idle, out / "img" / "deep.png")


def plot(samples: dict[str, list[float]], idle: dict[str, Cost], path: Path) -> None:
    """Left: every wake. Right: the memory that is kept for it."""
    with figure(path, 1, 2, size=(10, 2.6)) as (left, right):
        dots(left, samples, (OURS, OURS, OTHERS))
        left.set(xlabel="first token from deep idle, s", xlim=(0, None))
        bars(right, {name: cost.private_mb for name, cost in idle.items()}, (OURS, OTHERS), "{:.1f}")
        right.set(xlabel="private memory in deep idle, MB")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="deep idle, and the way out of it")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
