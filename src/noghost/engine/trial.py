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

from noghost.errors import NoghostError, WeightsError

MOST_CPU_S = 120
MOST_WORD_BYTES = 4096
FIRST_TOKEN = 0  # every vocabulary has one
SUCCESS = b"loaded"
HINT = "take the model from another source, or convert it again with a current llama.cpp"


def try_model(path: Path, context_tokens: int) -> None:
    """Raise WeightsError unless `path` can be loaded and computed with."""
    ear, mouth = os.pipe()
    os.set_inheritable(mouth, True)
    known = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a warden ignores it, and then no child leaves a status
    try:
        arguments = [sys.executable, "-m", __spec__.name, str(mouth), str(context_tokens), str(path)]
        pid = os.posix_spawn(sys.executable, arguments, os.environ)
        os.close(mouth)
        with open(ear, "rb") as listener:  # noqa: PTH123  a descriptor, not a path
            word = listener.read(MOST_WORD_BYTES)
        status = os.waitpid(pid, 0)[1]
    finally:
        signal.signal(signal.SIGCHLD, known)
    if word != SUCCESS:
        said = word.decode("utf-8", "replace")
        raise WeightsError(said or f"could not use the model {path}: {ending(status)}", HINT)


def ending(status: int) -> str:
    """What became of a child that could not say it itself."""
    if not os.WIFSIGNALED(status):
        return "llama.cpp ended the process that loaded it"
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU:
        return f"llama.cpp was not done with it after {MOST_CPU_S} s of computing"
    return f"llama.cpp crashed on it ({signal.Signals(number).name})"


def main() -> None:
    """In the child: load, compute one token, say so. Whatever native code prints goes nowhere."""
    from noghost.engine.loaded import load  # here: the reaper is forked from who waits for this child, and stays small

    mouth, context_tokens, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S + 1))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    try:
        loaded = load(path, context_tokens)
        loaded.context.start_threads(1)
        loaded.context.decode([FIRST_TOKEN], 0)
        word = SUCCESS
    except NoghostError as error:
        word = error.message.encode()[:MOST_WORD_BYTES]
    os.write(mouth, word)
    os._exit(0)


if __name__ == "__main__":
    main()
