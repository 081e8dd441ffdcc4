"""What an idle service costs: wake-ups, processor time and private memory over a minute, after an invocation.

    python bench/idle.py [--seconds N] [--out DIR]

Read from /proc, from outside. Prints a Markdown table and writes it to DIR/benchmarks/idle.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from facts import ROOT, facts, publish

sys.path.insert(0, str(ROOT / "tests"))
from noghost.client.status import counters, difference, private_bytes
from noghost.weights.find import find
from promises.talking import say
from running import Service, running, wait_for
from stock import stock_server


def row(name: str, pids: list[int], seconds: float) -> str:
    """Watch some processes together."""
    before = [counters(pid) for pid in pids]
    time.sleep(seconds)
    did = [difference(old, counters(pid)) for old, pid in zip(before, pids, strict=True)]
    private = sum(private_bytes(Path(f"/proc/{pid}")) for pid in pids)
    wakeups, cpu = sum(one.wakeups for one in did), sum(one.cpu_ms for one in did)
    minute = 60 / seconds
    return f"| {name} | {len(pids)} | {wakeups * minute:.0f} | {cpu * minute:.0f} ms | {private / 1e6:.1f} MB |"


def settle(service: Service) -> None:
    """One invocation, ended."""
    with say(service, "Say yes.", max_tokens=8) as call:
        call.read_all()
    wait_for(lambda: not service.instances(), 10, "the instance to end")


def main() -> None:
    options = parse()
    weights = find().path
    rows = ["| idle, after an invocation | processes | wake-ups a minute | processor time a minute | private memory |"]
    rows += ["|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as service:
        settle(service)
        rows.append(row("noghost: warden", [service.pid], options.seconds))
        rows.append(row("noghost: reaper", [service.reaper_pid], options.seconds))
        rows.append(row("noghost", [service.pid, service.reaper_pid], options.seconds))
    with stock_server(weights, n_ctx=8192) as stock:
        rows.append(row("stock llama-server", [stock.pid], options.seconds))
    publish(options.out, "idle", "Idle", rows, facts(weights, ("noghost", "llama-cpp-python", "xllamacpp")))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="what an idle service costs")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
