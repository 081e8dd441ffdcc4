"""Does one caller's private prompt make another's faster? Ours, and a stock llama-server with and without its cache.

    python bench/timing.py [--rounds N] [--words N] [--out DIR]

The audit of `noghost audit timing`, side by side: all servers are alive during the whole run, with the same GGUF and
the same threads, and are asked one pair (four requests) each in turns, the order changing from round to round. Writes
DIR/benchmarks/timing.md and timing.json (every time), DIR/img/timing.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from facts import ROOT, facts, publish
from plots import figure, open_frame

sys.path.insert(0, str(ROOT / "tests"))  # one runner, shared with the tests
from noghost.client.hunt.launch import own_server
from noghost.client.timing import Audit, Pair, judge, measure
from noghost.client.timing.ranks import LEVEL
from noghost.weights.find import find
from stock import stock_server

THREADS = 2
SLOTS = 4  # the stock server's own default
CONTEXT_TOKENS = 2048
CACHED, BARE, OURS = "stock llama-server, as it comes", "stock llama-server, cache off", "noghost serve"
METHOD = (
    "A victim sends a fresh private prompt; then another caller sends the same one (seen) or a fresh one of the same"
    " form (unseen) and measures the time to its first text. Both trials of a pair come in random order, and every"
    " prompt is random words. AUC is how often an unseen prompt takes longer than a seen one: 0.5 is chance, 1 is"
    " always; in brackets its 95 % interval. p is exact, over all ways to swap the labels within pairs; a leak needs"
    f" {LEVEL:g} or less. The smallest leak is the AUC that a run with this noise tells from chance nine times in ten."
    " Method and sources: `src/noghost/client/timing/__init__.py`. On a server of yours: `noghost audit timing --url"
    " URL`."
)
LIMITS = (
    "It shows that no leak of that size was there, with this model, machine and length of prompts; not that there is"
    " none. How fast the servers are is measured elsewhere: [hot](hot.md)."
)


@dataclass
class Peer:
    """One of the servers, and its measured pairs."""

    name: str
    pairs: Iterator[Pair]
    found: list[Pair] = field(default_factory=list)


def main() -> None:
    """Measure in turns, judge each, publish the table and the plot."""
    options = parse()
    weights = find(as_published=True).path
    described = facts(weights, ("noghost", "llama-cpp-python", "xllamacpp"))
    described |= {"threads": str(THREADS), "pairs": str(options.rounds), "words in a prompt": str(options.words)}
    described["stock server"] = f"{SLOTS} slots of {CONTEXT_TOKENS} tokens, else its defaults"
    described["stock server, cache off"] = "`cache_prompt` false, no cache of idle slots"
    with peers(weights, options) as servers:
        for turn in range(options.rounds):
            for at in range(len(servers)):
                peer = servers[(at + turn) % len(servers)]
                peer.found.append(next(peer.pairs))
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
    audits = {peer.name: judge(peer.found) for peer in servers}
    publish(options.out, "timing", "Cache timing: what one caller learns of another", page(audits), described)
    plain = {name: asdict(audit) | {"verdict": audit.verdict} for name, audit in audits.items()}
    (options.out / "benchmarks" / "timing.json").write_text(json.dumps({"facts": described, "audits": plain}))
    plot(audits, options.out / "img" / "timing.png")


@contextlib.contextmanager
def peers(weights: Path, options: argparse.Namespace) -> Iterator[list[Peer]]:
    """All servers, each with the audit of it, not begun."""
    arguments = ("--model", str(weights), "--threads", str(THREADS), "--context", str(CONTEXT_TOKENS))
    stock = {"n_ctx": CONTEXT_TOKENS, "n_parallel": SLOTS, "n_threads": THREADS}
    with contextlib.ExitStack() as stack:
        urls = {
            CACHED: stack.enter_context(stock_server(weights, **stock)).url,
            BARE: stack.enter_context(stock_server(weights, **stock, cache_prompt=False, cache_ram_mib=0)).url,
            OURS: stack.enter_context(own_server(arguments)).url,
        }
        seed = secrets.randbelow(1 << 32)
        yield [
            Peer(name, measure(url, pairs=options.rounds, words=options.words, seed=seed)) for name, url in urls.items()
        ]


def page(audits: dict[str, Audit]) -> list[str]:
    """The table, the plot and the method."""
    head = "| server | seen, median | unseen, median | AUC | p | verdict | smallest leak |"
    picture = "![Times to the first text, seen and unseen, of each server](../img/timing.png)"
    return [
        head,
        "|---|---|---|---|---|---|---|",
        *map(row, audits, audits.values()),
        "",
        picture,
        "",
        METHOD,
        "",
        LIMITS,
    ]


def row(name: str, audit: Audit) -> str:
    """One server."""
    seen_ms, unseen_ms = audit.medians_ms
    low, high = audit.interval
    p = f"{audit.p:.2f}" if audit.p >= 0.01 else f"{audit.p:.0e}"
    visible = f"AUC {audit.smallest:.2f}" if audit.smallest and audit.p > LEVEL else "-"
    area = f"**{audit.auc:.2f}** ({low:.2f} to {high:.2f})"
    return f"| {name} | {seen_ms:.0f} ms | {unseen_ms:.0f} ms | {area} | {p} | {audit.verdict} | {visible} |"


def plot(audits: dict[str, Audit], path: Path) -> None:
    """One row a server, one axis for all: every time as a dot, seen above unseen, with medians."""
    with figure(path, len(audits), 1, size=(8, 1.7 * len(audits) + 0.6), sharex=True) as rows:
        for axes, (name, audit) in zip(rows, audits.items(), strict=True):
            _plot_one(axes, name, audit)
        rows[0].set_xscale("log")
        longest = max(max(audit.seen_s + audit.unseen_s) for audit in audits.values()) * 1e3
        shortest = min(min(audit.seen_s + audit.unseen_s) for audit in audits.values()) * 1e3
        ticks = [tick for tick in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000) if shortest <= tick <= longest]
        rows[-1].set_xticks(ticks, [str(tick) for tick in ticks])
        rows[-1].minorticks_off()
        rows[-1].set_xlabel("time to the first text, ms (logarithmic)")


def _plot_one(axes, name: str, audit: Audit) -> None:  # type: ignore[no-untyped-def]  # matplotlib's axes
    low, high = audit.interval
    groups = (("seen", audit.seen_s, 1, "#c0392b"), ("unseen", audit.unseen_s, 0, "#1b6ca8"))
    for label, times, height, color in groups:
        # Spread over the height by a fixed pattern, so that dots of equal times do not hide each other.
        heights = [height + (at * 0.618 % 1 - 0.5) * 0.5 for at in range(len(times))]
        axes.scatter([time * 1e3 for time in times], heights, s=16, color=color, alpha=0.6, linewidths=0, label=label)
    for middle, (_, _, height, color) in zip(audit.medians_ms, groups, strict=True):
        axes.plot([middle, middle], [height - 0.38, height + 0.38], color=color, linewidth=2)
    axes.set_title(f"{name}: AUC {audit.auc:.2f} ({low:.2f} to {high:.2f}), {audit.verdict}", loc="left", fontsize=10)
    axes.set_yticks([1, 0], ["seen", "unseen"])
    axes.set_ylim(-0.6, 1.6)
    open_frame(axes)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="what one caller learns of another by timing")
    parser.add_argument("--rounds", type=int, default=50, help="pairs of each server")
    parser.add_argument("--words", type=int, default=150, help="in every prompt")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
