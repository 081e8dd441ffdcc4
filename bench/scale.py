"""What 10, 1,000 and 100,000 nodes would do a second, from the measured costs of one, and where the first limit lies.

    python bench/scale.py [--quick] [--out DIR]

Measured, on this machine: births and recorded answers a second of one service at full seats; what the ledger writes,
syncs and signs for one invocation; what a witness takes for one checkpoint of a log of a million entries; what a caller
of `noghost map` takes to keep one answer. Computed: all of that times the number of nodes. Simulated: how many
checkpoints reach one witness in the worst second, when nodes choose their moment at random, and when a timer does.
Writes DIR/benchmarks/scale.md and scale.json, DIR/img/scale.png.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from facts import ROOT, facts, publish
from plots import figure, open_frame

from noghost.client.batch.answers import Answers
from noghost.client.batch.node import Answer, Service
from noghost.client.batch.requests import Requests
from noghost.client.bench.stream import server_at, stream
from noghost.client.hunt.launch import own_server
from noghost.client.timing.words import fresh_prompt
from noghost.ledger import checkpoint, tree
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.entry import Ended, Opened
from noghost.ledger.keys import Signer
from noghost.ledger.store import Ledger
from noghost.ledger.submission import Submission
from noghost.weights.find import find
from noghost.witness.book import Book
from noghost.witness.judge import Witness

NODES = (10, 1_000, 100_000)
SEATS, PROMPT_TOKENS, ANSWER_TOKENS = 8, 50, 64
WITNESSES, EVERY_S = 2, 60  # of each log, and how often it asks them
LOG_ENTRIES = 1_000_000  # whose proofs of growth are sent
NO_LIMIT = float("inf")
MINUTE = "2026-01-01T00:00Z"
Costs = dict[str, float]


def main() -> None:
    """Measure, compute, write."""
    parser = argparse.ArgumentParser(description="many nodes, from the costs of one")
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    rounds = 40 if options.quick else 400
    described = facts(find(as_published=True).path, ("noghost", "llama-cpp-python", "cryptography"))
    costs = {**service_costs(rounds), **ledger_costs(rounds), **witness_costs(rounds), **caller_costs(rounds)}
    peaks = {nodes: simulated(nodes) for nodes in NODES}
    rates = {nodes: rates_of(nodes, costs) for nodes in NODES}
    publish(options.out, "scale", "Many nodes, from the costs of one", page(costs, rates, peaks), described)
    told = {
        "facts": described,
        "costs": costs,
        "rates": rates,
        "peaks": peaks,
        "limits": {name: most for name, most in limits(costs).items() if most != NO_LIMIT},
    }
    (options.out / "benchmarks" / "scale.json").write_text(json.dumps(told, indent=1))
    plot(costs, options.out / "img" / "scale.png")


# --- measured ---------------------------------------------------------------------------------------------------


def service_costs(rounds: int) -> Costs:
    """Of a service at full seats: what computes nothing, and answers."""
    options = ("--threads", "1", "--seats", str(SEATS), "--model", str(find(as_published=True).path))
    with own_server(options) as own, closing(Service.at(own.url)) as node, ThreadPoolExecutor(SEATS) as callers:
        server = server_at(own.url)

        def answer(_: int) -> None:
            stream(server, "default", fresh_prompt(PROMPT_TOKENS), ANSWER_TOKENS)

        answer(0)
        births = rate(rounds, lambda: list(callers.map(lambda _: node.get("/healthz"), range(rounds))))
        answers = max(SEATS, rounds // 8)
        return {
            "births_s": births,
            "answers_s": rate(answers, lambda: list(callers.map(answer, range(answers)))),
        }


def ledger_costs(rounds: int) -> Costs:
    """Of one invocation: born and durable, ended and signed, as the reaper does it."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder, Ledger.open(Path(folder) / "ledger") as ledger:

        def work() -> None:
            for number in range(rounds):
                ledger.append(opened(number))
                ledger.sync()
                ledger.append(Ended(MINUTE, f"{number:032x}", "answered", "verified", 13, 13, 6, 7))
                ledger.checkpoint()

        with counting() as calls:
            taken_s = rounds / rate(rounds, work)
        size = sum(path.stat().st_size for path in (Path(folder) / "ledger").rglob("*") if path.is_file())
    return {
        "ledger_ms": 1e3 * taken_s / rounds,
        "ledger_syncs": sum(calls.values()) / rounds,
        "ledger_bytes": size / rounds,
    }


def witness_costs(rounds: int) -> Costs:
    """Of one checkpoint, at a witness that knows one log, and at one that knows a hundred thousand."""
    signer = Signer.create()
    path = tuple(os.urandom(32) for _ in range(LOG_ENTRIES.bit_length()))  # as long as a proof is there
    found: Costs = {}
    for name, strangers in (("witness", 0), ("witness_of_many", 100_000)):
        others = [Signer("noghost.local/other", bytes([1]) * 32).verifier] * strangers
        with tempfile.TemporaryDirectory(dir=ROOT) as folder, closing(Book(Path(folder) / "witness")) as book:
            # the proof itself costs some hashes, which is little beside two signatures and a sync
            witness = Witness(book, (*others, signer.verifier), lambda *_: None)
            with counting() as calls:
                found[f"{name}_ms"] = 1e3 / rate(rounds, partial(submit, witness, signer, path, rounds))
            found["witness_syncs"] = sum(calls.values()) / rounds
    asked = Submission(LOG_ENTRIES, path, signed(signer, LOG_ENTRIES + 1)).render()
    return found | {"submission_bytes": len(asked), "vkey_bytes": len(signer.verifier.render())}


def submit(witness: Witness, signer: Signer, path: tuple[bytes, ...], rounds: int) -> None:
    """A log that grows, cosigned each time; the first from nothing."""
    for size in range(rounds):
        witness.add(Submission(size, path if size else (), signed(signer, size + 1)).render().encode())


def signed(signer: Signer, size: int) -> str:
    """A checkpoint; its root is nobody's."""
    return checkpoint.sign(Checkpoint(signer.name, size, tree.leaf_hash(str(size).encode())), signer)


def caller_costs(rounds: int) -> Costs:
    """Of one answer that `noghost map` keeps."""
    body = {"model": "default", "messages": [{"role": "user", "content": "x" * 200}]}
    line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        source = Path(folder) / "in"
        source.write_text("".join(json.dumps({"custom_id": str(at), **line}) + "\n" for at in range(rounds)))
        requests = Requests(source)
        answers = Answers(Path(folder) / "out", requests, resume=False)
        answer = Answer(200, "0" * 32, {"choices": [{"message": {"content": "x" * 300}}]})
        kept = rate(rounds, lambda: [answers.append(line, answer) for line in requests.lines])
        answers.close()
    return {"kept_s": kept}


def opened(number: int) -> Opened:
    """A birth with fields of the usual lengths."""
    host = "swap=none,init_on_free=0,core=file,network=own,memory=unlocked,without=none"
    digests = ("11" * 32, "0.1.0", "22" * 32, "33" * 32)
    return Opened(MINUTE, f"{number:032x}", *digests, host, "x86_64=avx.f16c.fma.avx2", "8192", "tile-64")


def rate(count: int, work: Callable[[], object]) -> float:
    """How many a second."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """How often this process has a disk written through."""
    calls: Counter[str] = Counter()
    real = {name: getattr(os, name) for name in ("fsync", "fdatasync")}

    def counted(name: str) -> Callable[[int], None]:
        def call(fd: int) -> None:
            calls[name] += 1
            real[name](fd)

        return call

    for name in real:
        setattr(os, name, counted(name))
    try:
        yield calls
    finally:
        for name, function in real.items():
            setattr(os, name, function)


# --- computed and simulated -------------------------------------------------------------------------------------


def rates_of(nodes: int, costs: Costs) -> Costs:
    """What all of them do a second, each at full seats."""
    answers = nodes * costs["answers_s"]
    asked = nodes * WITNESSES / EVERY_S
    return {
        "births": answers,
        "ledger entries": 2 * answers,
        "fsyncs": answers * costs["ledger_syncs"] + asked * costs["witness_syncs"],
        "ledger bytes": answers * costs["ledger_bytes"],
        "checkpoints signed": answers,
        "checkpoints to witnesses": asked,
        "witness bytes": asked * costs["submission_bytes"],
    }


def simulated(nodes: int, minutes: int = 10) -> dict[str, int]:
    """The most checkpoints that reach one witness of all in a second: each node once a minute, at a moment of its own
    that varies by a second; or by a timer at the full minute, up to a second late."""
    source = random.Random(nodes)
    spread: Counter[int] = Counter()
    timer: Counter[int] = Counter()
    for _ in range(nodes):
        phase_s = source.uniform(0, EVERY_S)
        for minute in range(minutes):
            spread[int(minute * EVERY_S + phase_s + source.uniform(0, 1))] += 1
            timer[int(minute * EVERY_S + source.uniform(0, 1))] += 1
    return {"at random": max(spread.values()), "by a timer": max(timer.values())}


def limits(costs: Costs) -> dict[str, float]:
    """How many nodes until something is full."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "one `noghost map`, by its descriptors": descriptors / (SEATS + 1),
        "one `noghost map`, by the answers that it keeps": costs["kept_s"] / costs["answers_s"],
        "one witness of all, told their keys by --log": os.sysconf("SC_ARG_MAX") / (costs["vkey_bytes"] + 15),
        "one witness of all, by its time": 1e3 * EVERY_S / costs["witness_of_many_ms"],
        "each node the witness of two others": NO_LIMIT,
    }


# --- told -------------------------------------------------------------------------------------------------------


def page(costs: Costs, rates: dict[int, Costs], peaks: dict[int, dict[str, int]]) -> list[str]:
    """The three tables and the plot."""
    one = [
        ("births that compute nothing", f"{costs['births_s']:.0f} a second"),
        (
            f"answers of {ANSWER_TOKENS} tokens to {PROMPT_TOKENS}, {SEATS} at once",
            f"{costs['answers_s']:.2f} a second",
        ),
        ("ledger, for one invocation", f"{costs['ledger_ms']:.2f} ms, {costs['ledger_syncs']:.2f} syncs"),
        ("ledger, on the disk for one invocation", f"{costs['ledger_bytes']:.0f} bytes"),
        ("witness, for one checkpoint", f"{costs['witness_ms']:.2f} ms, {costs['witness_syncs']:.2f} syncs"),
        ("the same, which knows 100,000 logs", f"{costs['witness_of_many_ms']:.2f} ms"),
        ("a checkpoint's way to a witness", f"{costs['submission_bytes']:.0f} bytes"),
        ("`noghost map`, answers that it can keep", f"{costs['kept_s']:.0f} a second"),
    ]
    lines = ["What one costs, measured:", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in one)]
    head = " | ".join(f"{nodes:,} nodes" for nodes in rates)
    lines += ["", "All of them at full seats, computed, a second:", "", f"| | {head} |", "|---|" + "---|" * len(rates)]
    for name in next(iter(rates.values())):
        lines.append(f"| {name} | " + " | ".join(f"{rates[nodes][name]:,.1f}" for nodes in rates) + " |")
    for name in next(iter(peaks.values())):
        told = " | ".join(f"{peaks[nodes][name]:,}" for nodes in peaks)
        lines.append(f"| most checkpoints in a second at one witness of all, {name} (simulated) | {told} |")
    lines += ["", "How many nodes until something is full:", "", "| | nodes |", "|---|---|"]
    lines += [
        f"| {name} | {'no limit' if most == float('inf') else f'{most:,.0f}'} |" for name, most in limits(costs).items()
    ]
    says = (
        f"Each log asks {WITNESSES} witnesses every {EVERY_S} s. The proof of growth is that of a log of "
        f"{LOG_ENTRIES:,} entries. Syncs are calls of fsync and fdatasync. Bytes are the files' own, not their blocks'."
    )
    return [*lines, "", says, "", "![How many nodes until something is full](../img/scale.png)"]


def plot(costs: Costs, path: Path) -> None:
    """A bar to each limit, over a logarithmic number of nodes."""
    found = sorted(((most, name) for name, most in limits(costs).items() if most != NO_LIMIT), reverse=True)
    with figure(path, size=(8, 2.6)) as axes:
        axes.barh(
            [name.replace("`", "") for _, name in found], [most for most, _ in found], color="#1b6ca8", height=0.55
        )
        for height, (most, _) in enumerate(found):
            axes.annotate(f"{most:,.0f}", (most, height), (5, 0), textcoords="offset points", va="center", fontsize=9)
        for nodes in NODES:
            axes.axvline(nodes, color="#888888", linewidth=0.8, linestyle=":")
        axes.set(xscale="log", xlim=(5, 500_000), xlabel="nodes until it is full (logarithmic)")
        axes.set_title("Many nodes: where the limits lie", loc="left", fontsize=10)
        open_frame(axes)


if __name__ == "__main__":
    main()
