"""Two ways in which a service could hold a template: what each costs at the start, in memory, and for the first token.

    python bench/holding.py [--out DIR]

`decoded`: the parent of instances decodes the prefix itself, into a context that they inherit by copy-on-write. It may
have one thread, so that it can fork. `computed apart`: a program of its own computes the state with all threads, it is
kept at rest, and the parent restores it into a context whose pages a file without a name holds. That is what noghost
does (templates/holding.py), and is measured by its own code. Each way and length in a process of its own, once, and in
a second one that finds the state at rest; the first tokens in children forked from the first, one after another. Writes
DIR/benchmarks/holding.md and DIR/img/holding.png.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from facts import ROOT, facts, publish, sha256
from plots import OURS, QUIET, figure, open_frame

sys.path.insert(0, str(ROOT / "tests"))
from noghost.config import TemplateSource, cores
from noghost.engine.context import Context
from noghost.engine.loaded import Loaded, load
from noghost.host import build_digest
from noghost.templates.holding import Basis, hold, key_of
from noghost.weights.find import find
from running import private_bytes

LENGTHS = (300, 2000, 8000)
CONTEXT_TOKENS = 8192
MORE_TOKENS = 30  # what a short question adds
FIRST_TOKEN = 1000  # any: what is said does not matter to how long it takes
CHILDREN = 9
WAYS = {"decoded": "decoded by the parent, one thread", "apart": "computed apart, all threads"}

Found = dict[str, Any]


def main() -> None:
    options = parse()
    if options.way:
        print(json.dumps(measure(options.way, options.length, options.folder)))
        return
    described = facts(find(as_published=True).path, ("noghost", "llama-cpp-python")) | {"threads": str(cores())}
    found = {(length, way): measured(way, length) for length in LENGTHS for way in WAYS}
    rows = [
        "| prefix tokens | way | first start | later start | parent's own memory | first token in a child |",
        "|---|---|---|---|---|---|",
        *(row(length, way, one) for (length, way), one in found.items()),
        "",
        f"Seconds until the prefix is held; memory beyond what the parent had before; {MORE_TOKENS} further tokens in",
        f"each of {CHILDREN} children with all threads, the fork included: median (least to most).",
        "",
        "![Until a prefix is held](../img/holding.png)",
    ]
    publish(options.out, "holding", "Holding a template: two ways", rows, described)
    plot(found, options.out / "img" / "holding.png")


def row(length: int, way: str, one: Found) -> str:
    first = one["first_ms"]
    spread = f"{statistics.median(first):.0f} ms ({min(first):.0f} to {max(first):.0f})"
    starts = f"{one['made_s']:.2f} s | {one['again_s']:.2f} s"
    return f"| {length} | {WAYS[way]} | {starts} | {one['own_bytes'] / 1e6:.1f} MB | {spread} |"


def plot(found: dict[tuple[int, str], Found], path: Path) -> None:
    """First and later starts of both ways."""
    names = [str(length) for length in LENGTHS]
    with figure(path, size=(6, 3.2)) as axes:
        for way, start, color, style in (
            ("decoded", "made_s", QUIET, "o-"),
            ("apart", "made_s", OURS, "o-"),
            ("apart", "again_s", OURS, "o--"),
        ):
            label = f"{WAYS[way]}{'; a later start' if start == 'again_s' else ''}"
            axes.plot(names, [found[length, way][start] for length in LENGTHS], style, color=color, label=label)
        axes.set(xlabel="tokens of the prefix", ylabel="seconds until it is held", yscale="log")
        axes.legend(frameon=False, fontsize=8)
        open_frame(axes)


def measured(way: str, length: int) -> Found:
    """By a process of its own; where a state is left at rest, a second process starts from it."""
    with tempfile.TemporaryDirectory(prefix="noghost-bench-") as folder:
        found = one_start(way, length, folder)
        found["again_s"] = one_start(way, length, folder)["made_s"] if way == "apart" else found["made_s"]
    print(f"{length} {way}", file=sys.stderr)
    return found


def one_start(way: str, length: int, folder: str) -> Found:
    command = [sys.executable, __file__, "--way", way, "--length", str(length), "--folder", folder]
    found: Found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


def measure(way: str, length: int, folder: Path) -> Found:
    """In that process."""
    loaded = load(find(as_published=True).path, CONTEXT_TOKENS)
    basis = Basis(sha256(find(as_published=True).path), build_digest(), folder, cores())
    source = TemplateSource("prefix", "word " * (length - 3) + "word")
    before = private_bytes(os.getpid())
    began_s = time.perf_counter()
    context = decoded(source, loaded, basis) if way == "decoded" else hold(source, loaded, basis).context
    made_s = time.perf_counter() - began_s
    own_bytes = private_bytes(os.getpid()) - before
    first_ms = [in_child(context) for _ in range(CHILDREN)]
    return {"made_s": made_s, "own_bytes": own_bytes, "first_ms": first_ms}


def decoded(source: TemplateSource, loaded: Loaded, basis: Basis) -> Context:
    """A context that this process has decoded the prefix into."""
    context = Context(loaded.model, CONTEXT_TOKENS)
    context.release_zero_pages()
    context.decode(key_of(source, loaded, basis).tokens, 0)
    return context


def in_child(context: Context) -> float:
    """Milliseconds from before the fork of a child until it has computed a short question's tokens."""
    reading, writing = os.pipe()
    began_s = time.perf_counter()
    if os.fork() == 0:
        try:
            context.start_threads(cores())
            context.set_threads(cores())
            context.decode(range(FIRST_TOKEN, FIRST_TOKEN + MORE_TOKENS), context.position)
            os.write(writing, str(1e3 * (time.perf_counter() - began_s)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        milliseconds = float(told.read())
    os.wait()
    return milliseconds


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="two ways to hold a template")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--length", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
