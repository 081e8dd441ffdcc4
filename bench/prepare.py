"""The default model prepared (`noghost models prepare`) against the default model, and against a stock llama-server.

    python bench/prepare.py [--rounds N] [--quick] [--out DIR]

All three run at the same time with the same threads and are asked in turns, the order changing from round to round,
as in hot.py: new random words in every prompt, a connection of its own for each request. The stock server has the
prepared file too, and repacks it by itself. Private memory is read before the first request. What the preparing
costs in quality is what the command itself measured. Writes DIR/benchmarks prepare.md and prepare.json (every
sample), to DIR/img prepare.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from facts import ROOT, facts, publish, sha256
from hot import (
    CONTEXT_TOKENS,
    PROMPT_TOKENS,
    SLOTS,
    THREADS,
    _stock,
    check,
)
from plots import figure

sys.path.insert(0, str(ROOT / "tests"))  # one runner, shared with the tests
from noghost.client.bench import Peer, Plan, measure, peer_at
from noghost.client.bench.ratio import ratio
from noghost.client.bench.rounds import ANSWER_TOKENS
from noghost.engine.comparison import of_itself
from noghost.weights.find import find
from running import private_bytes, private_environment, running

DEFAULT, PREPARED, STOCK = "noghost, default", "noghost, prepared", "stock llama-server, prepared"
COLORS = {DEFAULT: "#bbbbbb", PREPARED: "#1b6ca8", STOCK: "#c0392b"}
METHOD = (
    "Median (least to most); the ratios are of medians, with a bootstrap interval of 95 %. TTFT: lower is better; "
    "decode: higher is better. What preparing is: [models](../models.md)."
)

COSTS = (
    "What it costs, as `noghost models prepare` measured it. The last four rows compare with the default: the prepared "
    "form, and the default itself, computed again without flash attention, its sums in another order."
)


def main() -> None:
    """Prepare, measure, then write the table and the plot."""
    options = _options()
    plan = Plan(2, PROMPT_TOKENS[:2], (1,)) if options.quick else Plan(options.rounds, PROMPT_TOKENS, (1,))
    described = facts(find(as_published=True).path, ("noghost", "llama-cpp-python", "xllamacpp"))
    for folder in ("benchmarks", "img"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="noghost-bench-") as home:
        made = prepared(Path(home))
        with peers(Path(home), made) as (trio, private):
            for turn in measure(trio, plan):
                print(f"round {turn} of {plan.rounds}", file=sys.stderr)
            check(trio)
        described |= {"prepared": f"{made['name']}, sha256 {made['sha256'][:16]}…"}
    settings = {
        "threads": str(THREADS),
        "stock server": f"{SLOTS} slots of {CONTEXT_TOKENS} tokens, no prompt cache, else its defaults",
        "rounds": str(plan.rounds),
    }
    write(options.out, trio, private, made["measured"], described | settings)


def prepared(home: Path) -> dict[str, Any]:
    """Run the command in a home of its own; what it says."""
    command = [sys.executable, "-m", "noghost.cli.main", "models", "prepare", "--json"]
    environment = private_environment(home)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    file = home / "noghost" / "models" / f"{found['name']}.gguf"
    if sha256(file) != found["sha256"]:
        raise SystemExit("the prepared file is not what the command says")
    return found | {"path": file}


@contextlib.contextmanager
def peers(home: Path, made: dict[str, Any]) -> Iterator[tuple[list[Peer], dict[str, int]]]:
    """The three servers, all running; and their private memory before anybody asked."""
    options = ("--threads", str(THREADS), "--context", str(CONTEXT_TOKENS))
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(running(home / "plain", *options))
        ours = stack.enter_context(running(home, *options, "--model", made["name"]))
        stock = stack.enter_context(_stock(made["path"]))
        pids = {DEFAULT: plain.pid, PREPARED: ours.pid, STOCK: stock.pid}
        private = {name: private_bytes(pid) for name, pid in pids.items()}
        yield [peer_at(DEFAULT, plain.url), peer_at(PREPARED, ours.url), peer_at(STOCK, stock.url)], private


def write(
    out: Path, trio: Sequence[Peer], private: dict[str, int], measured: dict[str, Any], described: dict[str, str]
) -> None:
    """The page, the samples, the plot."""
    samples = {peer.name: peer.samples for peer in trio}
    document = {"facts": described, "samples": samples, "private_bytes": private, "measured": measured}
    (out / "benchmarks" / "prepare.json").write_text(json.dumps(document))
    rows = [
        METHOD,
        "",
        f"| | {DEFAULT} | {PREPARED} | {STOCK} | prepared / default | prepared / stock |",
        "|---|---|---|---|---|---|",
        *(_row(samples, "ttft_s", size, f"TTFT, {size} prompt tokens, ms", 1e3) for size in sorted(_of(samples))),
        _row(samples, "decode_tok_s", 1, f"decode, {ANSWER_TOKENS} tokens, tok/s", 1.0),
        "",
        "| private memory, idle | |",
        "|---|---|",
        *(f"| {_whose(name)} | {private[name] / 1e6:.1f} MB |" for name in samples),
        "",
        COSTS,
        "",
        *_quality(measured),
        "",
        "![TTFT by length of the prompt, and decode](../img/prepare.png)",
    ]
    publish(out, "prepare", "Prepared: a model in the form that this processor computes fastest", rows, described)
    _plot(samples, out / "img" / "prepare.png")


def _of(samples: dict[str, Any]) -> Any:
    return samples[DEFAULT]["ttft_s"]


def _whose(name: str) -> str:
    return name if name == STOCK else f"{name}: the warden"


def _row(samples: dict[str, Any], measure: str, size: int, label: str, scale: float) -> str:
    sides = {name: samples[name][measure][size] for name in samples}
    cells = [_cell([value * scale for value in side]) for side in sides.values()]
    for base in (DEFAULT, STOCK):
        middle, low, high = ratio(sides[base], sides[PREPARED])
        cells.append(f"**{middle:.2f}** ({low:.2f} to {high:.2f})")
    return f"| {label} | {' | '.join(cells)} |"


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def _quality(measured: dict[str, Any]) -> list[str]:
    before, after = measured["source"], measured["prepared"]
    change, error = 100 * (measured["perplexity_ratio"] - 1), 100 * measured["perplexity_ratio_error"]
    forms, asked, length = (of_itself(measured), measured), measured["answers"], measured["answer_tokens"]
    rows = (
        ("", "default", "prepared"),
        ("---", "---", "---"),
        ("size, MB", *(f"{one['size_bytes'] / 1e6:.0f}" for one in (before, after))),
        (f"perplexity over {measured['text_tokens']} tokens", *(f"{one['perplexity']:.1f}" for one in (before, after))),
        ("its change", "", f"{change:+.1f} % (± {error:.1f} %)"),
        ("predictions apart, nats", *(f"{one['divergence']:.4f}" for one in forms)),
        ("the same likeliest token", *(f"{100 * one['same_top']:.1f} %" for one in forms)),
        ("greedy answers that are the same", *(f"{one['same_answers']} of {asked}" for one in forms)),
        ("tokens that they begin with in common", *(f"{one['common_tokens']:.1f} of {length:.1f}" for one in forms)),
    )
    return [f"| {' | '.join(row)} |" for row in rows]


def _plot(samples: dict[str, Any], path: Path) -> None:
    """Left: TTFT by length of the prompt. Right: decode."""
    with figure(path, 1, 2, size=(9, 3.8), gridspec_kw={"width_ratios": (2, 1)}) as (left, right):
        for index, name in enumerate(samples):
            sizes = sorted(samples[name]["ttft_s"])
            middles = [statistics.median(samples[name]["ttft_s"][size]) * 1e3 for size in sizes]
            left.plot(sizes, middles, marker="o", color=COLORS[name], label=name)
            right.bar(index, statistics.median(samples[name]["decode_tok_s"][1]), color=COLORS[name])
        left.set(xlabel="prompt tokens", ylabel="ms", title="Time to first token (lower is better)")
        left.set_ylim(bottom=0)
        left.legend(frameon=False)
        right.set(ylabel="tokens a second", title="Decode (higher is better)", xticks=[])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="a prepared model against the default one, and a stock server")
    parser.add_argument("--rounds", type=int, default=9, help="rounds; each asks all three everything")
    parser.add_argument("--quick", action="store_true", help="two rounds without 1,000 tokens, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where benchmarks/ and img/ are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
