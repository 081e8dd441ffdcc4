"""Compute the KV state of a template in a process of its own, with all threads. The warden waits; before any birth.

So the warden never decodes and never starts a thread, and what is computed comes from a program that held nothing
else. Its tokens come and its state goes by descriptors: neither has a name in a file system, nor stands in `ps`.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path

from noghost.engine import throwaway
from noghost.errors import EngineError

INT32 = "i"  # llama_token


def prefill(path: Path, n_ctx: int, tokens: Sequence[int], threads: int, *, repack: bool = False) -> bytes:
    """The KV state of `tokens`, in a context of `n_ctx`. Raises EngineError with what the other process said."""
    given = os.memfd_create("noghost-tokens", os.MFD_CLOEXEC)
    taken = os.memfd_create("noghost-state", os.MFD_CLOEXEC)
    try:
        os.write(given, array(INT32, tokens).tobytes())
        arguments = [str(given), str(taken), str(n_ctx), str(threads), str(int(repack)), str(path)]
        word, status = throwaway.run(__spec__.name, arguments, (given, taken))
        if word != throwaway.SUCCESS:
            said = word.decode("utf-8", "replace") or throwaway.ending(status, path)
            raise EngineError(f"could not compute a template: {said}")
        with open(os.dup(taken), "rb") as file:  # noqa: PTH123  a descriptor, not a path
            file.seek(0)
            return file.read()
    finally:
        os.close(given)
        os.close(taken)


def compute(given: int, taken: int, n_ctx: int, threads: int, repack: bool, path: Path) -> None:
    """In the child."""
    from noghost.engine.batches import batches_of, first_control
    from noghost.engine.context import Context
    from noghost.engine.model import Model

    tokens = array(INT32, os.pread(given, os.fstat(given).st_size, 0)).tolist()
    model = Model.load(path, repack=repack)
    context = Context(model, n_ctx)
    context.start_threads(threads)
    context.set_threads(threads)
    for begin, end in batches_of(0, first_control(tokens, model.is_control), len(tokens)):
        context.decode(tokens[begin:end], begin)
    state = context.save()
    other = Context(model, n_ctx)
    other.restore(state, len(tokens))  # whether it can be shows here, and not where a caller waits
    if other.save() != state:
        raise EngineError("its state is another one once it was restored")
    with open(os.dup(taken), "wb") as file:  # noqa: PTH123  a descriptor, not a path
        file.write(state)


if __name__ == "__main__":
    mouth, given_fd, taken_fd, most_tokens, threads_given, packed = (int(argument) for argument in sys.argv[1:7])
    throwaway.work(
        mouth, lambda: compute(given_fd, taken_fd, most_tokens, threads_given, bool(packed), Path(sys.argv[7]))
    )
