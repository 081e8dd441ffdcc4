"""What TLS and padding cost: TTFT, a request that computes nothing, and bytes on the wire for each streamed token.

    python bench/tls.py [--rounds N] [--out DIR]

One service each without TLS, with it, and with it and padding, and a stock llama-server that is hot, all alive at the
same time, on the same GGUF with the same threads, asked in turns through the same client (that of `noghost bench`) on a
connection of its own for each request. Handshakes are in all times: no session is ever resumed. Prompts are random
words, new each time. Writes DIR/benchmarks/tls.md and tls.json (every sample), and DIR/img/tls.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import ssl
import statistics
import sys
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from facts import ROOT, facts, publish
from plots import OTHERS, OURS, QUIET, bars, dots, figure

sys.path.insert(0, str(ROOT / "tests"))
from noghost.client.bench.peer import said
from noghost.client.bench.ratio import ratio
from noghost.client.bench.stream import Server, stream
from noghost.client.hunt.launch import own_server
from noghost.client.reach import place_of
from noghost.weights.find import find
from stock import stock_server

THREADS = 2
CONTEXT_TOKENS = 2048
PROMPT_TOKENS = (50, 300)
FEW, MANY = 4, 36  # tokens of an answer: their difference is what a token costs on the wire
HEALTHS = 5  # in a round
SERVICES = {"plain": (), "TLS": ("--tls", "--no-pad"), "TLS, padded": ("--tls", "--pad")}
STOCK = "stock llama-server, plain"
UNCHECKED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
UNCHECKED.check_hostname, UNCHECKED.verify_mode = False, ssl.CERT_NONE


@dataclass
class Peer:
    """One of the servers, and all that was measured of it: measure -> samples."""

    name: str
    url: str
    model: str
    overhead_tokens: int = 0  # of the chat template
    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def main() -> None:
    options = parse()
    weights = find(as_published=True).path
    described = facts(weights, ("noghost", "llama-cpp-python", "xllamacpp"))
    described |= {"threads": str(THREADS), "rounds": str(options.rounds)}
    with servers(weights) as peers:
        for peer in peers:
            peer.overhead_tokens = stream(at(peer.url), peer.model, said(40), FEW).prompt_tokens - 40
            measure(replace(peer, samples=defaultdict(list)))  # to warm up
        for turn in range(options.rounds):
            for peer in peers[turn % len(peers) :] + peers[: turn % len(peers)]:
                measure(peer)
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
    publish(options.out, "tls", "TLS and padding: what they cost", table(peers), described)
    samples = {peer.name: peer.samples for peer in peers}
    (options.out / "benchmarks" / "tls.json").write_text(json.dumps({"facts": described, "samples": samples}))
    plot(samples, options.out / "img" / "tls.png")


@contextlib.contextmanager
def servers(weights: Path) -> Iterator[list[Peer]]:
    """All of them, running."""
    common = ("--model", str(weights), "--threads", str(THREADS), "--context", str(CONTEXT_TOKENS))
    with contextlib.ExitStack() as stack:
        urls = {name: stack.enter_context(own_server((*common, *more))).url for name, more in SERVICES.items()}
        stock = stock_server(weights, n_ctx=CONTEXT_TOKENS, n_threads=THREADS, cache_prompt=False, cache_ram_mib=0)
        urls[STOCK] = stack.enter_context(stock).url
        yield [Peer(name, url, "default" if name in SERVICES else weights.stem) for name, url in urls.items()]


def measure(peer: Peer) -> None:
    """One round."""
    if peer.name != STOCK:  # its own health page is no process's birth
        peer.samples["healthz_s"] += [health_s(peer.url) for _ in range(HEALTHS)]
    for length in PROMPT_TOKENS:
        timing = stream(at(peer.url), peer.model, said(length - peer.overhead_tokens), FEW)
        if timing.prompt_tokens != length:
            raise SystemExit(f"a prompt of {length} tokens was counted as {timing.prompt_tokens}")
        peer.samples[f"ttft_{length}_s"].append(timing.ttft_s)
    text = said(20)
    few, many = (stream(at(peer.url), peer.model, text, tokens) for tokens in (FEW, MANY))
    peer.samples["token_bytes"].append((many.wire_bytes - few.wire_bytes) / (MANY - FEW))
    peer.samples["decode_tok_s"].append(many.decode_tok_s)


def at(url: str) -> Server:
    """Over https the certificate is not checked: it is our own server's."""
    return Server(place_of(url), tls=UNCHECKED if url.startswith("https:") else None)


def health_s(url: str) -> float:
    """A connection, a request that computes nothing, its answer, and the end."""
    netloc = urllib.parse.urlsplit(url).netloc
    began_s = time.perf_counter()
    with at(url).connect() as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {netloc}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    if b" 200 " not in answer[:20]:
        raise SystemExit("the service is not healthy")
    return time.perf_counter() - began_s


def table(peers: list[Peer]) -> list[str]:
    """A row for each measure, a column for each server; in brackets the ratio to plain."""
    base = peers[0]
    labels = {"healthz_s": ("`/healthz`, whole", 1e3, "ms")}
    labels |= {f"ttft_{length}_s": (f"TTFT, {length} prompt tokens", 1e3, "ms") for length in PROMPT_TOKENS}
    labels |= {"token_bytes": ("on the wire for each token", 1.0, "bytes"), "decode_tok_s": ("decode", 1.0, "tok/s")}
    rows = [f"| median | {' | '.join(peer.name for peer in peers)} |", "|---" * (1 + len(peers)) + "|"]
    for measure_name, (label, scale, unit) in labels.items():
        cells = [cell(base.samples[measure_name], peer.samples.get(measure_name, []), scale, unit) for peer in peers]
        rows.append(f"| {label} | {' | '.join(cells)} |")
    rows += ["", "In brackets: the ratio to plain with its 95 % interval, rounds resampled in pairs."]
    rows += ["", "![First token and bytes on the wire](../img/tls.png)"]
    return rows


def plot(samples: dict[str, dict[str, list[float]]], path: Path) -> None:
    """The first token after the shorter prompt, and what a token costs on the wire, of each server."""
    colors = (QUIET, OURS, OURS, OTHERS)
    with figure(path, 1, 2, size=(11, 2.6)) as (times, sizes):
        dots(times, {name: [s * 1e3 for s in of[f"ttft_{PROMPT_TOKENS[0]}_s"]] for name, of in samples.items()}, colors)
        times.set(xlabel=f"ms to the first token, {PROMPT_TOKENS[0]} prompt tokens", xlim=(0, None))
        bars(sizes, {name: statistics.median(of["token_bytes"]) for name, of in samples.items()}, colors)
        sizes.set(xlabel="bytes on the wire for each streamed token")


def cell(base: list[float], samples: list[float], scale: float, unit: str) -> str:
    """Median, and its ratio to the base."""
    if not samples:
        return "-"
    middle = f"{statistics.median(samples) * scale:.1f} {unit}"
    if samples is base:
        return middle
    times, low, high = ratio(base, samples)
    return f"{middle} ({times:.2f}; {low:.2f} to {high:.2f})"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="what TLS and padding cost")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
