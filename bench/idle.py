"""What an idle service costs: wake-ups, processor time and private memory over a minute, after an invocation.

    python bench/idle.py [--seconds N] [--out DIR]

Read from /proc, from outside. Writes DIR/benchmarks/idle.md and DIR/img/idle.png.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from facts import ROOT, facts, publish
from plots import OTHERS, OURS, bars, figure
from watching import Cost, watch

sys.path.insert(0, str(ROOT / "tests"))
from noghost.client.status import counters
from noghost.weights.find import find
from promises.talking import say
from running import Service, running, wait_for
from stock import stock_server

CONTEXT = 8192  # tokens, of each server
START_S = 120.0
QUIET_S = 0.2
PEERS = ("noghost", "stock llama-server", "`llama_cpp.server`")  # that are drawn


def settle(service: Service) -> None:
    """One invocation, ended; also for the warden, whom the reaper tells."""
    with say(service, "Say yes.", max_tokens=8) as call:
        call.read_all()
    wait_for(lambda: not service.instances(), 10, "the instance to end")
    wait_for(lambda: is_quiet((service.pid, service.reaper_pid)), 10, "warden and reaper to have done all")


def is_quiet(pids: tuple[int, ...]) -> bool:
    """Whether none of them does anything for a moment."""
    before = [counters(pid) for pid in pids]
    time.sleep(QUIET_S)
    return before == [counters(pid) for pid in pids]


@contextlib.contextmanager
def python_server(weights: Path) -> Iterator[tuple[str, int]]:
    """llama-cpp-python's own server, as `python -m llama_cpp.server` starts it, once it answers: (url, pid)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = ["--model", str(weights), "--n_ctx", str(CONTEXT), "--host", "127.0.0.1", "--port", port]
    server = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: server.poll() is not None or answers(url), START_S, "llama_cpp.server to answer")
        if server.poll() is not None:
            raise SystemExit("llama_cpp.server did not start: install the bench extra (`make setup .venv/dev.done`)")
        yield url, server.pid
    finally:
        server.terminate()
        server.wait()


def answers(url: str) -> bool:
    """Whether a server tells its models."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/v1/models", timeout=START_S).status_code == 200
    return False


def ask(url: str) -> None:
    """One invocation."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 8}
    httpx.post(f"{url}/v1/chat/completions", json=body, timeout=START_S).raise_for_status()


def main() -> None:
    options = parse()
    weights = find(as_published=True).path
    costs: dict[str, tuple[int, Cost]] = {}  # processes, and theirs

    def note(name: str, *pids: int) -> None:
        costs[name] = len(pids), watch(list(pids), options.seconds)

    with tempfile.TemporaryDirectory() as home, running(Path(home)) as service:
        settle(service)
        note("noghost: warden", service.pid)
        note("noghost: reaper", service.reaper_pid)
        note("noghost", service.pid, service.reaper_pid)
    with stock_server(weights, n_ctx=CONTEXT) as stock:
        ask(stock.url)
        note("stock llama-server", stock.pid)
    with python_server(weights) as (url, pid):
        ask(url)
        note("`llama_cpp.server`", pid)
    described = facts(weights, ("noghost", "llama-cpp-python", "xllamacpp"))
    described |= {"context": f"{CONTEXT} tokens", "seconds each": str(options.seconds)}
    publish(options.out, "idle", "Idle", table(costs), described)
    plot({name.replace("`", ""): costs[name][1] for name in PEERS}, options.out / "img" / "idle.png")


def table(costs: dict[str, tuple[int, Cost]]) -> list[str]:
    """A row for each."""
    return [
        "| idle, after an invocation | processes | wake-ups a minute | processor time a minute | private memory |",
        "|---|---|---|---|---|",
        *(f"| {name} | {count} | {cost.cells()} |" for name, (count, cost) in costs.items()),
        "",
        "![What an idle service costs](../img/idle.png)",
    ]


def plot(costs: dict[str, Cost], path: Path) -> None:
    """Left: wake-ups. Right: memory."""
    colors = (OURS, OTHERS, OTHERS)
    with figure(path, 1, 2, size=(9, 2.4)) as (left, right):
        bars(left, {name: cost.wakeups for name, cost in costs.items()}, colors)
        left.set(xlabel="wake-ups a minute")
        bars(right, {name: cost.private_mb for name, cost in costs.items()}, colors)
        right.set(xlabel="private memory, MB")
        right.set_yticks([])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="what an idle service costs")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
