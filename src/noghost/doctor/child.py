"""Try something in a child process that ends with it: what it changes (a filter, a namespace) is gone afterwards."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from noghost.errors import NoghostError

LIMIT_S = 10.0  # each trial takes milliseconds
MOST_BYTES = 512


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial came to."""

    value: int = 0
    why: str = ""  # why it could not be done; "": it was done

    @property
    def done(self) -> bool:
        """It can be done on this host."""
        return not self.why


def in_child(trial: Callable[[], int], limit_s: float = LIMIT_S) -> Tried:
    """Run `trial` in a child that ends with it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        tell(trial, writing)
    os.close(writing)
    try:
        return hear(reading, limit_s)
    finally:
        os.close(reading)
        end(pid)


def tell(trial: Callable[[], int], writing: int) -> NoReturn:
    """In the child: try, write the answer, end. Whatever goes wrong, nothing of the parent's runs on here."""
    try:
        try:
            answer = f"+{trial()}"
        except OSError as refused:
            answer = f"-{refused.strerror or 'refused'}"
        except NoghostError as refused:
            answer = f"-{refused.message}"
        os.write(writing, answer.encode()[:MOST_BYTES])
    finally:
        os._exit(0)


def hear(reading: int, limit_s: float) -> Tried:
    """In the parent: the child's answer, or why there is none."""
    if not select.select([reading], [], [], limit_s)[0]:
        return Tried(why=f"no answer within {limit_s:g} s")
    answer = os.read(reading, MOST_BYTES).decode("utf-8", "replace")
    if not answer:
        return Tried(why="it ended without an answer")
    return Tried(value=int(answer)) if answer.startswith("+") else Tried(why=answer[1:])


def end(pid: int) -> None:
    """End a child of ours and forget it."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
