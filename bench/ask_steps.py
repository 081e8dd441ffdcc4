"""`noghost ask` with its steps timed; for `cold.py`. Run as a program, it asks as the command does, and writes to the
descriptor in its first argument one JSON object: milliseconds on CLOCK_MONOTONIC at the end of each step.

What is timed is wrapped from outside: the package has no hooks. What the reaper does meanwhile is not seen here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


def timed(marks: dict[str, float], name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, which leaves the time of its end under `name`."""

    def wrapped(*arguments: Any, **named: Any) -> Any:
        result = work(*arguments, **named)
        marks[name] = now_ms()
        return result

    return wrapped


def now_ms() -> float:
    return time.monotonic_ns() / 1e6


def main() -> None:
    """Arguments: a descriptor, then what follows `noghost ask`."""
    marks = {"process": now_ms()}
    told = int(sys.argv[1])
    from noghost.cli import ask, lived
    from noghost.cli.main import main as run

    start, report = ask.start_ahead, lived.report

    def start_first() -> Any:
        """As the command does: the reaper first, then the rest of the imports."""
        reaper = start()
        time_the_rest(marks)
        return reaper

    def report_all(life: Any, as_json: bool) -> None:
        marks["birth"], marks["prefill"] = life.told.born_ns / 1e6, life.told.first_ns / 1e6
        os.write(told, json.dumps(marks).encode())
        report(life, as_json)

    ask.start_ahead, lived.report = start_first, report_all
    sys.argv = ["noghost", "ask", *sys.argv[2:]]
    run()


def time_the_rest(marks: dict[str, float]) -> None:
    """What the command imports next, and its steps."""
    marks["reaper"] = now_ms()
    from noghost import host, models
    from noghost.engine import ahead, pages
    from noghost.warden import network

    models.find_models = timed(marks, "digest", models.find_models)
    ahead.begin = timed(marks, "begin", ahead.begin)
    network.leave_network_as_root = timed(marks, "imports", network.leave_network_as_root)
    host.build_digest = timed(marks, "host", host.build_digest)
    ahead.Ahead.made = timed(marks, "load", ahead.Ahead.made)  # type: ignore[method-assign]
    pages.release_zero_pages = timed(marks, "context", pages.release_zero_pages)


if __name__ == "__main__":
    main()
