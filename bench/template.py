"""TTFT with a public prefix: noghost without a template, with it, and a stock llama-server that has it in its cache.

    python bench/template.py [--rounds N] [--quick] [--out DIR]

All three run at the same time on the same GGUF with the same threads, and are asked in turns, the order changing from
round to round, each on a connection of its own for each request. A prompt is the prefix, as the system message, and a
question of random words, new each time. The stock server has one slot and `cache_prompt` on; right before each timed
request it is asked another question with that prefix, so that it has exactly that in its cache. So is the service with
the template: meanwhile the long prompt of the service without one, which may come before it, is wiped; with a core
taken by that, an instance would compute with one thread. Writes DIR/benchmarks template.md and template.json (every
sample), to DIR/img template.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from facts import ROOT, facts, publish
from plots import figure

sys.path.insert(0, str(ROOT / "tests"))  # one runner, shared with the tests
from noghost.client.bench.ratio import ratio
from noghost.client.bench.stream import Timing, server_at, stream
from noghost.weights.find import find
from running import private_bytes, private_environment, running
from stock import stock_server

THREADS = 2
CONTEXT_TOKENS = 8192
PREFIX_TOKENS = (300, 2000, 8000)
OVERHEAD_TOKENS = 2  # of a system message, before its end
QUESTION_WORDS = 20
ANSWER_TOKENS = 4
BARE, HELD, STOCK = "noghost, no template", "noghost, template", "stock llama-server, prefix in its cache"
PROMISED_OF_BARE, PROMISED_OF_STOCK = 0.05, 1.25
WORDS = (
    "time year people way day man thing woman life child world school state family student group country problem hand"
)
METHOD = (
    "Time to first token with a public prefix, in ms: median (least to most). A question of "
    f"{QUESTION_WORDS} words follows it. The ratios are of medians, with a bootstrap interval of 95 %. "
    "What a template is: [templates](../templates.md)."
)


@dataclass
class Peer:
    """One server, and what was measured of it: prefix tokens -> TTFT in seconds."""

    name: str
    url: str
    model: str = ""
    ttft_s: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))


def main() -> None:
    """Measure, then write the table and the plot."""
    options = _options()
    lengths = PREFIX_TOKENS[:2] if options.quick else PREFIX_TOKENS
    rounds = 2 if options.quick else options.rounds
    described = facts(find(as_published=True).path, ("noghost", "llama-cpp-python", "xllamacpp"))
    for folder in ("benchmarks", "img"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    prefixes = {length: _words(length - OVERHEAD_TOKENS) for length in lengths}
    with tempfile.TemporaryDirectory(prefix="noghost-bench-") as home, peers(Path(home), prefixes) as (trio, about):
        for turn in range(rounds):
            for length, prefix in prefixes.items():
                _round(trio if turn % 2 == 0 else trio[::-1], length, prefix)
            print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    _write(options.out, trio, described | about | {"threads": str(THREADS), "rounds": str(rounds)})


@contextlib.contextmanager
def peers(home: Path, prefixes: dict[int, str]) -> Iterator[tuple[list[Peer], dict[str, str]]]:
    """The three servers, all running, and what is to be said of them."""
    options = ("--threads", str(THREADS), "--context", str(CONTEXT_TOKENS))
    names = [_add(home / "held", length, prefix) for length, prefix in prefixes.items()]
    with contextlib.ExitStack() as stack:
        templates = [argument for name in names for argument in ("--template", name)]
        bare = stack.enter_context(running(home / "bare", *options))
        held = stack.enter_context(running(home / "held", *options, *templates))
        stock = stack.enter_context(stock_server(find(as_published=True).path, n_ctx=CONTEXT_TOKENS, n_threads=THREADS))
        trio = [Peer(BARE, bare.url), Peer(HELD, held.url), Peer(STOCK, stock.url)]
        for peer in trio:
            peer.model = _model(peer.url)
            _ask(peer, next(iter(prefixes.values())))
        private = [f"{private_bytes(service.pid) / 1e6:.1f} MB" for service in (bare, held)]
        states = json.loads(held.noghost("templates", "list", "--json").stdout)
        yield (
            trio,
            {
                "tokens held": ", ".join(str(state["tokens"]) for state in states),
                "states at rest": ", ".join(f"{state['state_bytes'] / 1e6:.1f} MB" for state in states),
                "warden's private memory, without and with the templates": " and ".join(private),
            },
        )


def _add(home: Path, length: int, prefix: str) -> str:
    """Add a template of that length; its name."""
    home.mkdir(exist_ok=True)
    name, file = f"t{length:05}", home / "system.txt"
    file.write_text(prefix)
    command = ["-m", "noghost.cli.main", "templates", "add", name, "--system", str(file)]
    environment = private_environment(home)
    subprocess.run([sys.executable, *command, "--context", str(CONTEXT_TOKENS)], env=environment, check=True)
    return name


def _round(trio: list[Peer], length: int, prefix: str) -> None:
    """Each server once, with one prefix."""
    timings = {}
    for peer in trio:
        if peer.name != BARE:
            _ask(peer, prefix)
        timings[peer.name] = _ask(peer, prefix)
        peer.ttft_s[length].append(timings[peer.name].ttft_s)
    if len({timing.prompt_tokens for timing in timings.values()}) != 1:
        raise SystemExit("the servers counted one prompt differently: no fair comparison")


def _ask(peer: Peer, prefix: str) -> Timing:
    return stream(server_at(peer.url), peer.model, _words(QUESTION_WORDS), ANSWER_TOKENS, prefix)


def _words(count: int) -> str:
    """As many tokens as words: each is one with a space before it, and the first of a message is one without."""
    return " ".join(random.choices(WORDS.split(), k=count))


def _model(url: str) -> str:
    with urllib.request.urlopen(f"{url}/v1/models", timeout=60) as response:
        return str(json.load(response)["data"][0]["id"])


def _write(out: Path, trio: list[Peer], described: dict[str, str]) -> None:
    samples = {peer.name: peer.ttft_s for peer in trio}
    (out / "benchmarks" / "template.json").write_text(json.dumps({"facts": described, "ttft_s": samples}))
    rows = [
        METHOD,
        "",
        f"| prefix tokens | {BARE} | {HELD} | {STOCK} | template / none | template / stock |",
        "|---|---|---|---|---|---|",
        *(_row(samples, length) for length in sorted(samples[BARE])),
        "",
        f"Promised at 2,000: at most {PROMISED_OF_BARE} of none, {PROMISED_OF_STOCK} of the stock server.",
        "",
        "![TTFT by prefix](../img/template.png)",
    ]
    publish(out, "template", "Templates: a public prefix that is held ready", rows, described)
    _plot(samples, out / "img" / "template.png")


def _row(samples: dict[str, dict[int, list[float]]], length: int) -> str:
    cells = [_cell(samples[name][length]) for name in (BARE, HELD, STOCK)]
    for base in (BARE, STOCK):
        middle, low, high = ratio(samples[base][length], samples[HELD][length])
        cells.append(f"**{middle:.3f}** ({low:.3f} to {high:.3f})")
    return f"| {length} | {' | '.join(cells)} |"


def _cell(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.0f} ({min(seconds) * 1e3:.0f} to {max(seconds) * 1e3:.0f})"


def _plot(samples: dict[str, dict[int, list[float]]], path: Path) -> None:
    """TTFT by length of the prefix, both axes logarithmic."""
    with figure(path, size=(6.5, 4)) as axes:
        for name, color in ((BARE, "#bbbbbb"), (HELD, "#1b6ca8"), (STOCK, "#c0392b")):
            lengths = sorted(samples[name])
            middles = [statistics.median(samples[name][length]) * 1e3 for length in lengths]
            axes.plot(lengths, middles, marker="o", color=color, label=name)
        axes.set(xscale="log", yscale="log", xlabel="tokens of the prefix", ylabel="time to first token, ms")
        axes.set_title("A public prefix, held ready (lower is better)")
        axes.legend(frameon=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="templates against none, and against a stock server's cache")
    parser.add_argument("--rounds", type=int, default=7, help="rounds; each asks all three with every prefix")
    parser.add_argument("--quick", action="store_true", help="two rounds without 8,000 tokens, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where benchmarks/ and img/ are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
