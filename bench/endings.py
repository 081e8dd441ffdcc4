"""How soon an instance is gone when its caller leaves: while it streams, and in the middle of a long prefill.

    python bench/endings.py [--rounds N] [--out DIR]

From the caller's close() until /proc has no such process any more: noticing, ending, wiping and verifying are all
in it. Writes DIR/benchmarks/endings.md and DIR/img/endings.png.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from facts import ROOT, facts, publish
from plots import OURS, dots, figure

sys.path.insert(0, str(ROOT / "tests"))  # one way to run and to talk to a service, shared with the tests
from noghost.weights.find import find
from promises.talking import Call, say, say_long
from running import Service, running, wait_for

PREFILL_WORDS = 1500
INTO_PREFILL_S = 0.5


def streaming(service: Service) -> Call:
    """A call whose answer is on its way."""
    return say_long(service, "Tell me a long story.")


def prefilling(service: Service) -> Call:
    """A call whose long prompt is being computed, half a second into it."""
    call = say(service, "word " * PREFILL_WORDS, stream=True)
    wait_for(service.instances, 10, "the instance")
    time.sleep(INTO_PREFILL_S)
    return call


MOMENTS = {"while it streams": streaming, f"{INTO_PREFILL_S} s into a prefill of {PREFILL_WORDS} words": prefilling}


def leave(service: Service, call: Call) -> float:
    """Close; seconds until the process is gone."""
    pid = service.instances()[0]
    entry = f"/proc/{pid}"
    began = time.perf_counter()
    call.connection.close()
    while os.path.exists(entry):  # noqa: PTH110  the fastest look there is
        pass
    return time.perf_counter() - began


def main() -> None:
    options = parse()
    rows = ["| the caller leaves | median | p95 | longest | rounds |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as service:
        streaming(service).connection.close()
        wait_for(lambda: not service.instances(), 10, "the warm-up to end")
        samples: dict[str, list[float]] = {}
        for name, moment in MOMENTS.items():
            times = samples[name] = sorted(leave(service, moment(service)) * 1e3 for _ in range(options.rounds))
            p95 = times[int(0.95 * (len(times) - 1))]
            rows.append(
                f"| {name} | {statistics.median(times):.0f} ms | {p95:.0f} ms | {times[-1]:.0f} ms | {len(times)} |"
            )
    rows += ["", "![From the caller's leave to the end](../img/endings.png)"]
    described = facts(find(as_published=True).path, ("noghost", "llama-cpp-python"))
    publish(options.out, "endings", "Endings: gone after the caller", rows, described)
    with figure(options.out / "img" / "endings.png", size=(8, 2)) as axes:
        dots(axes, samples, (OURS, OURS))
        axes.set(xlabel="ms from the caller's leave until there is no such process", xlim=(0, None))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="how soon an instance is gone when its caller leaves")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
