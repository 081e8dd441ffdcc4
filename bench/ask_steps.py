"""`noghost ask` with its steps timed; for `cold.py`. Run as a program, it asks as the command does, and writes to the
descriptor in its first argument one JSON object: milliseconds on CLOCK_MONOTONIC at the end of each step.

What is timed is wrapped from outside: the package has no hooks. What the reaper does meanwhile is not seen here.
"""

from __future__ import annotations

import time

STARTED_NS = time.monotonic_ns()  # the interpreter runs

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def timed(marks: dict[str, float], name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, which leaves the time of its end under `name`."""

    def wrapped(*arguments: Any, **named: Any) -> Any:
        result = work(*arguments, **named)
        marks[name] = time.monotonic_ns() / 1e6
        return result

    return wrapped


def main() -> None:
    """Arguments: a descriptor, then what follows `noghost ask`."""
    marks = {"process": STARTED_NS / 1e6}
    told = int(sys.argv[1])
    from noghost import service
    from noghost.cli import ask
    from noghost.cli.main import main as run
    from noghost.engine import loaded

    marks["imports"] = time.monotonic_ns() / 1e6
    service.find_models = timed(marks, "digest", service.find_models)
    service.state = timed(marks, "state", service.state)
    service.spawn_reaper = timed(marks, "reaper spawned", service.spawn_reaper)
    service.be_traced = timed(marks, "traced", service.be_traced)
    loaded.Model.load = timed(marks, "load", loaded.Model.load)  # type: ignore[method-assign]
    loaded.load = timed(marks, "context", loaded.load)
    report = ask.report

    def report_all(lived: Any, as_json: bool) -> None:
        marks["birth"], marks["prefill"] = lived.told.born_ns / 1e6, lived.told.first_ns / 1e6
        marks["gone"] = time.monotonic_ns() / 1e6
        os.write(told, json.dumps(marks).encode())
        report(lived, as_json)

    ask.report = report_all
    sys.argv = ["noghost", "ask", *sys.argv[2:]]
    run()


if __name__ == "__main__":
    main()
