"""Have a file hold a restored context, in a process with one thread. Prints JSON."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import tempfile
import threading
from pathlib import Path

from noghost.engine.context import Context
from noghost.engine.model import Model
from noghost.engine.prefill import prefill
from noghost.errors import EngineError
from noghost.weights.find import find

PAGE = mmap.PAGESIZE


def anonymous_pages(context: Context) -> int:
    """Pages of the context that are present and not a file's: pagemap bits 63 and 61."""
    count = 0
    with Path("/proc/self/pagemap").open("rb") as file:
        for part in context._new_memory:
            file.seek(part.start // PAGE * 8)
            tops = file.read((part.end - part.start) // PAGE * 8)[7::8]
            count += sum(top & 0x80 and not top & 0x20 for top in tops) if tops else 0
    return count


def digest(context: Context) -> str:
    return hashlib.sha256(context.save()).hexdigest()


def main() -> None:
    path = find().path
    tokens = list(range(200, 500))
    state = prefill(path, 1024, tokens, 1)
    context = Context(Model.load(path), 1024)
    context.release_zero_pages()
    context.restore(state, len(tokens))
    found: dict[str, object] = {"anonymous before": anonymous_pages(context) * PAGE}
    before = digest(context)
    with tempfile.TemporaryFile(buffering=0) as file:
        found["held"] = context.hold_in_file(file.fileno())
    found["anonymous after"] = anonymous_pages(context)
    found["same state"] = digest(context) == before
    pid = os.fork()
    if pid == 0:
        context.start_threads(2)
        context.decode(list(range(600, 700)), len(tokens))
        os._exit(0 if context.position == len(tokens) + 100 and digest(context) != before else 1)
    found["child decoded"] = os.waitpid(pid, 0)[1] == 0
    found["anonymous after a child"] = anonymous_pages(context)
    found["same state after a child"] = digest(context) == before
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with tempfile.TemporaryFile(buffering=0) as file:
            context.hold_in_file(file.fileno())
    except EngineError as error:
        found["with a second thread"] = error.message
    end.set()
    thread.join()
    while len(list(Path("/proc/self/task").iterdir())) > 1:  # joined, and not yet gone from the kernel's list
        os.sched_yield()
    try:
        context.hold_in_file(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        found["cannot be written"] = digest(context) == before
    context.start_threads(1)
    context.decode([700], len(tokens))
    found["anonymous after a decode here"] = anonymous_pages(context)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
