"""What sealing an invocation costs until the first token, beside TLS and beside neither.

    python bench/sealed.py [--rounds N] [--quick] [--out DIR]      about 4 minutes

One service without TLS, asked in the clear and sealed, and one with TLS, both with padding, both alive at the same
time, on the same GGUF, asked in turns by the same client (httpx) on a connection of its own for each request:
handshakes are in all times. What is sought is two thousandths of a second, so nothing else may be large: a prompt of
one random word, one token of answer, one thread, many rounds, and a pause before a request, in which the instance
before it is wiped: who signs the key of the one wipes the other. A row says what it is without that pause. What
sealing costs more is the median of the differences within a round, with the interval that holds 95 % of that median
over resampled rounds. Writes DIR/benchmarks/sealed.md and sealed.json (every sample).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import ssl
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import httpx
from facts import ROOT, facts, publish

from noghost.client.bench.peer import said
from noghost.client.bench.ratio import difference
from noghost.client.hunt.launch import own_server
from noghost.client.reach import open_client
from noghost.client.sealed import Trust
from noghost.weights.find import find

THREADS = 1
CONTEXT_TOKENS = 256
QUICK, ROUNDS = 30, 300
PAUSE_S = 0.06
PROMISED_MS = 2.0  # more than TLS
PLAIN, TLS, SEALED = "plain", "TLS", "sealed"
ORDERS = tuple(permutations((PLAIN, TLS, SEALED)))
Samples = dict[str, dict[str, list[float]]]  # measure -> way -> seconds


def main() -> None:
    options = parse()
    rounds = QUICK if options.quick else options.rounds
    weights = find(as_published=True).path
    described = facts(weights, ("noghost", "llama-cpp-python", "cryptography", "httpx"))
    described |= {"threads": str(THREADS), "rounds": str(rounds)}
    samples: Samples = defaultdict(lambda: defaultdict(list))
    with clients(weights) as ways:
        one_round(ways, 0, defaultdict(lambda: defaultdict(list)))  # to warm up
        for turn in range(rounds):
            one_round(ways, turn, samples)
            if (turn + 1) % QUICK == 0:
                print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    publish(options.out, "sealed", "Sealed invocations: what they cost", table(samples), described)
    (options.out / "benchmarks" / "sealed.json").write_text(json.dumps({"facts": described, "samples": samples}))


@contextlib.contextmanager
def clients(weights: Path) -> Iterator[dict[str, httpx.Client]]:
    """A client for each way."""
    common = ("--model", str(weights), "--threads", str(THREADS), "--context", str(CONTEXT_TOKENS), "--pad")
    with contextlib.ExitStack() as stack:
        clear = stack.enter_context(own_server(common)).url
        secured = stack.enter_context(own_server((*common, "--tls")))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ways = {
            PLAIN: open_client(clear),
            TLS: open_client(secured.url, fingerprint=fingerprint_of(secured.url)),
            SEALED: open_client(clear, trust=Trust(clear, seen_dir=folder)),
        }
        yield {name: stack.enter_context(client) for name, client in ways.items()}


def fingerprint_of(url: str) -> str:
    """Of our own server's certificate: the one that it shows now."""
    address = httpx.URL(url)
    pem = ssl.get_server_certificate((address.host, address.port or 443))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def one_round(ways: dict[str, httpx.Client], turn: int, samples: Samples) -> None:
    """Each measure, each way, in an order that turns, so that none always comes after the same."""
    order = ORDERS[turn % len(ORDERS)]
    text = said(1)
    for name in order:
        time.sleep(PAUSE_S)
        samples["first token"][name].append(ttft_s(ways[name], text))
        samples["first token, right behind another"][name].append(ttft_s(ways[name], text))
    for name in order:
        time.sleep(PAUSE_S)
        samples["`/healthz`, whole"][name].append(health_s(ways[name]))


def ttft_s(client: httpx.Client, text: str) -> float:
    """From before the connection to the first content."""
    body = {"prompt": text, "max_tokens": 1, "stream": True, "temperature": 0, "ignore_eos": True}
    began_s = time.perf_counter()
    with client.stream("POST", "/v1/completions", json=body) as answer:
        first_s = [time.perf_counter() for line in answer.iter_lines() if '"text":' in line]
    if not first_s:
        raise SystemExit(f"no answer: {answer.status_code}")
    return first_s[0] - began_s


def health_s(client: httpx.Client) -> float:
    """A request that computes nothing, to its end."""
    began_s = time.perf_counter()
    client.get("/healthz").raise_for_status()
    return time.perf_counter() - began_s


def table(samples: Samples) -> list[str]:
    """A row for each measure, and how much more than TLS sealing takes."""
    rows = [f"| median | {PLAIN} | {TLS} | {SEALED} | {SEALED} more than {TLS} (95 %) |", "|---|---|---|---|---|"]
    for measure, ways in samples.items():
        more, low, high = (value * 1e3 for value in difference(ways[TLS], ways[SEALED]))
        cells = [f"{statistics.median(ways[name]) * 1e3:.1f} ms" for name in (PLAIN, TLS, SEALED)]
        rows.append(f"| {measure} | {' | '.join(cells)} | {more:+.2f} ms ({low:+.2f} to {high:+.2f}) |")
    return [*rows, "", f"Promised: at most {PROMISED_MS:g} ms more to the first token than TLS."]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="what sealed invocations cost")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
