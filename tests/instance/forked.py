"""Run a function in a forked child and get its answer: for what changes a process for good."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from typing import Any

from noghost.instance.exit import leave


def in_child(function: Callable[[], Any]) -> Any:
    """The JSON-able result of `function`, run in a child; AssertionError with its traceback when it raises."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            answer = json.dumps({"answer": function()})
        except BaseException:  # noqa: BLE001  told to the parent
            answer = json.dumps({"error": traceback.format_exc()})
        os.write(writing, answer.encode())
        leave()  # no exit passes the filter that it may have put up
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = json.loads(pipe.read() or '{"error": "the child said nothing"}')
    os.waitpid(pid, 0)
    assert "error" not in told, told["error"]
    return told["answer"]
