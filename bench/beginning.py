"""TTFT of a short question: noghost without a template, with the model's own beginning held, and a stock llama-server.

    python bench/beginning.py [--rounds N] [--quick] [--out DIR]

A question of random words without a system message: before it the chat template puts the model's own one. A prompt of
fewer than 64 tokens starts from that where it is held (`noghost templates add NAME`, without --system). All three run
at the same time on the same GGUF with the same threads and are asked in turns, the order changing from round to round.
Nothing is asked while an instance is still being wiped.
The stock server has one slot and `cache_prompt` on, so that it has the beginning in its cache. Writes DIR/benchmarks
beginning.md and beginning.json (every sample), to DIR/img beginning.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from facts import ROOT, facts, publish
from plots import OTHERS, OURS, dots, figure

sys.path.insert(0, str(ROOT / "tests"))  # one runner, shared with the tests
from tables import against, quartiles
from template import WORDS

from noghost.client.bench.stream import server_at, stream
from noghost.weights.find import find
from running import Service, running, wait_for
from stock import stock_server

THREADS = 2
CONTEXT_TOKENS = 8192
QUESTION_WORDS = 15
ANSWER_TOKENS = 4
BARE, HELD, STOCK = "noghost", "noghost, beginning held", "stock llama-server, beginning in its cache"


def main() -> None:
    """Measure, then write the table and the plot."""
    options = parse()
    rounds = 2 if options.quick else options.rounds
    described = facts(find(as_published=True).path, ("noghost", "llama-cpp-python", "xllamacpp"))
    ttft_s: dict[str, list[float]] = defaultdict(list)
    tokens = set()
    with (
        tempfile.TemporaryDirectory(prefix="noghost-bench-") as home,
        peers(Path(home)) as (trio, services, held_tokens),
    ):
        for turn in range(rounds):
            for name, url in trio if turn % 2 == 0 else trio[::-1]:
                wait_for(lambda: not any(service.instances() for service in services), 30, "the last instance to end")
                seconds, prompt_tokens = ask(url)
                ttft_s[name].append(seconds)
                tokens.add(prompt_tokens)
    if len(tokens) != 1:
        raise SystemExit("the servers counted one prompt differently: no fair comparison")
    about = {"prompt": f"{tokens.pop()} tokens, of which {held_tokens} are the model's own beginning"}
    write(options.out, ttft_s, described | about | {"threads": str(THREADS), "rounds": str(rounds)})


@contextlib.contextmanager
def peers(home: Path) -> Iterator[tuple[list[tuple[str, str]], list[Service], int]]:
    """The names and addresses of the three servers, all running and asked once; those of noghost; how many tokens the
    beginning has."""
    options = ("--threads", str(THREADS), "--context", str(CONTEXT_TOKENS))
    weights = find(as_published=True).path
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(running(home, *options))
        bare.noghost("templates", "add", "own", check=True)
        (row,) = json.loads(bare.noghost("templates", "list", "--json").stdout)
        held = stack.enter_context(running(home, *options, "--template", "own"))
        stock = stack.enter_context(stock_server(weights, n_ctx=CONTEXT_TOKENS, n_threads=THREADS))
        for service, name in ((bare, None), (held, "own")):
            if taken(service.url) != name:
                raise SystemExit(f"it starts from {taken(service.url)}, not from {name}")
        ask(stock.url)
        yield [(BARE, bare.url), (HELD, held.url), (STOCK, stock.url)], [bare, held], int(row["tokens"])


def taken(url: str) -> object:
    """The template that a question of this kind starts from, as the answer says."""
    asked = {"messages": [{"role": "user", "content": "time " * QUESTION_WORDS}], "max_tokens": 1}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["noghost"]["template"]


def ask(url: str) -> tuple[float, int]:
    """TTFT of a new question, in seconds; the tokens of its prompt."""
    with urllib.request.urlopen(f"{url}/v1/models", timeout=60) as response:
        model = str(json.load(response)["data"][0]["id"])
    question = " ".join(random.choices(WORDS.split(), k=QUESTION_WORDS))
    timing = stream(server_at(url), model, question, ANSWER_TOKENS)
    return timing.ttft_s, timing.prompt_tokens


def write(out: Path, ttft_s: dict[str, list[float]], described: dict[str, str]) -> None:
    rows = [
        "Time to first token of a short question without a system message, in ms: median (quartiles). What is held,",
        "and for which prompts: [templates](../templates.md#short-ones).",
        "",
        "| | ms |",
        "|---|---|",
        *(f"| {name} | {quartiles([1e3 * value for value in values], '{:.0f}')} |" for name, values in ttft_s.items()),
        "",
        "| ratio of medians, with a bootstrap interval of 95 % | |",
        "|---|---|",
        f"| held / not held | {against(ttft_s[BARE], ttft_s[HELD])} |",
        f"| held / stock | {against(ttft_s[STOCK], ttft_s[HELD])} |",
        "",
        "![TTFT of a short question](../img/beginning.png)",
    ]
    publish(out, "beginning", "Short questions, and the model's own beginning", rows, described)
    (out / "benchmarks" / "beginning.json").write_text(json.dumps({"facts": described, "ttft_s": ttft_s}) + "\n")
    with figure(out / "img" / "beginning.png", size=(7, 2.4)) as axes:
        dots(axes, {name: [1e3 * value for value in values] for name, values in ttft_s.items()}, (OURS, OURS, OTHERS))
        axes.set(xlabel="time to first token, ms", xlim=(0, None))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="short questions, from the model's own beginning and from nothing")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="two rounds, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where benchmarks/ and img/ are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
