"""Copies of a conversation that are left two seconds after it: in `noghost serve` and in a stock llama-server.

    python bench/hunt.py [--rounds N] [--out DIR]

The same hunter says the same kind of words to both, each started anew for each round: processes, files, shared
memory, all encodings, token ids included. Prints a Markdown table and writes it to DIR/benchmarks/hunt.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from facts import ROOT, facts, publish

sys.path.insert(0, str(ROOT / "tests"))
from noghost.client.hunt import HuntResult, hunt
from noghost.weights.find import find
from running import running
from stock import stock_server


def in_ours(weights: Path) -> HuntResult:
    """A service of its own, with its data, its log and its temporary files."""
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as service:
        return hunt(service.url, [service.pid], [Path(home)], tokenizer=weights)


def in_stock(weights: Path) -> HuntResult:
    """A stock server with its defaults."""
    with stock_server(weights, n_threads=1) as stock:
        return hunt(stock.url, [stock.pid], tokenizer=weights)


def row(name: str, results: list[HuntResult]) -> str:
    """Copies in each round, and how much was searched."""
    copies = ", ".join(str(result.copies) for result in results)
    last = results[-1]
    return f"| {name} | {copies} | {last.processes} | {last.files} | {', '.join(last.not_searched) or 'nothing'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="copies left in noghost and in a stock llama-server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    weights = find(as_published=True).path
    found: dict[str, list[HuntResult]] = {"noghost serve": [], "stock llama-server": []}
    for _ in range(options.rounds):
        found["noghost serve"].append(in_ours(weights))
        found["stock llama-server"].append(in_stock(weights))
    rows = [f"| server | copies in each of {options.rounds} rounds | processes | files | not searched |"]
    rows += ["|---|---|---|---|---|", *(row(name, results) for name, results in found.items())]
    described = facts(weights, ("noghost", "llama-cpp-python", "xllamacpp"))
    publish(options.out, "hunt", "Copies left after a conversation", rows, described)


if __name__ == "__main__":
    main()
