"""Load a model in a process of its own first, to see whether llama.cpp survives it. In the warden, before it loads.

llama.cpp checks much of a file with assertions: a wrong value in it ends the process (SIGABRT) or worse. That would
be the warden, at start, without a word. So a file that nobody has vouched for is loaded, and one token computed with
it, in a child that may die of it.

Covered: a file that crashes llama.cpp when it is loaded or first computed with, or keeps it busy without end: a
WeightsError says so. The child is a program of its own and not a fork: it inherits nothing that was asked.
Not covered: a file that is made to take over the process which loads it, this child or the warden: it is as trusted
as who it came from, which its digest says.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from noghost.engine import throwaway
from noghost.errors import WeightsError

MOST_CPU_S = 120
FIRST_TOKEN = 0  # every vocabulary has one
HINT = "take the model from another source, or convert it again with a current llama.cpp"


def try_model(path: Path, context_tokens: int) -> None:
    """Raise WeightsError unless `path` can be loaded and computed with."""
    word, status = throwaway.run(__spec__.name, [str(context_tokens), str(path)])
    if word != throwaway.SUCCESS:
        raise WeightsError(word.decode("utf-8", "replace") or ending(status, path), HINT)


def ending(status: int, path: Path) -> str:
    """What became of a child that could not say it itself."""
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return f"could not use the model {path}: llama.cpp was not done with it after {MOST_CPU_S} s of computing"
    return throwaway.ending(status, path)


def load_and_compute(path: Path, context_tokens: int) -> None:
    """In the child: load, compute one token."""
    from noghost.engine.loaded import load  # here: the reaper is forked from who waits for this child, and stays small

    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S + 1))
    loaded = load(path, context_tokens)
    loaded.context.start_threads(1)
    loaded.context.decode([FIRST_TOKEN], 0)


if __name__ == "__main__":
    mouth, tokens, model = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    throwaway.work(mouth, lambda: load_and_compute(model, tokens))
