"""Running a part of a test in a process of its own, to kill it or to limit it."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NoReturn


@contextmanager
def forked(work: Callable[[int], None]) -> Iterator[tuple[int, BinaryIO]]:
    """Fork, run `work(write_fd)` in the child; give its pid and the reading end. Kills it at the end."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _run(work, writer)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as reports:
            yield pid, reports
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def run_in_child(work: Callable[[], None]) -> None:
    """Run `work` in a child; raise AssertionError with its traceback if it fails there."""

    def report(writer: int) -> None:
        try:
            work()
        except BaseException:  # noqa: BLE001  # a failed assertion of any kind must reach the parent
            os.write(writer, traceback.format_exc().encode()[-60_000:])
        else:
            os.write(writer, b"done")

    with forked(report) as (_, reports):
        said = reports.read().decode()
    assert said == "done", said


def _run(work: Callable[[int], None], writer: int) -> NoReturn:
    status = 1
    try:
        work(writer)
        status = 0
    finally:
        os._exit(status)
