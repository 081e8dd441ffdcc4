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
    from noghost import models
    from noghost.cli import ask
    from noghost.engine import ahead

    start = ask.start_ahead

    def start_after_words(*arguments: Any) -> Any:
        marks["words"] = now_ms()
        started = start(*arguments)
        marks["reaper"] = now_ms()
        time_the_rest(marks, told)
        return started

    ask.start_ahead = start_after_words
    models.find_model = timed(marks, "digest", models.find_model)
    ahead.begin = timed(marks, "begin", ahead.begin)
    ahead.Ahead.made = timed(marks, "load", ahead.Ahead.made)  # type: ignore[method-assign]
    sys.argv = ["noghost", "ask", *sys.argv[2:]]
    from noghost.cli.main import main as run

    run()


def time_the_rest(marks: dict[str, float], told: int) -> None:
    """What the command imports next, and its steps."""
    from noghost import host
    from noghost.cli import lived
    from noghost.warden import network

    report = lived.report

    def report_all(life: Any, as_json: bool) -> None:
        marks["birth"], marks["prefill"] = life.told.born_ns / 1e6, life.told.first_ns / 1e6
        os.write(told, json.dumps(marks).encode())
        report(life, as_json)

    lived.report = report_all
    network.leave_network_as_root = timed(marks, "imports", network.leave_network_as_root)
    host.build_digest = timed(marks, "host", host.build_digest)


if __name__ == "__main__":
    main()
