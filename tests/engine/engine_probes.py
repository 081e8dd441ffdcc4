"""What has to be tried in a process of its own, with one thread. Run as a script: NAME; prints JSON."""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from noghost.engine import pages
from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.generate import Done, generate
from noghost.engine.model import Model
from noghost.engine.sampler import SamplingParams
from noghost.errors import NoghostError
from noghost.weights.find import find

MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]
PAGE = mmap.PAGESIZE


def thread_count() -> int:
    return len([*Path("/proc/self/task").iterdir()])


def private_bytes() -> int:
    rollup = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Private_Dirty:"))


def in_a_child(work: Callable[[], object]) -> object:
    """Fork, do `work` in the child, return what it returned."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the parent shows it
            result = repr(error)
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(data)


def answer(model: Model, ctx: Context, template: ChatTemplate, threads: int) -> dict[str, object]:
    """Answer as an instance does; tell which files were opened meanwhile."""
    opened = watch_opening()
    ctx.start_threads(threads)
    prompt = model.tokenize_prompt(template.render(MESSAGES))
    params = SamplingParams(seed=0, temperature=0)
    *chunks, done = generate(model, ctx, prompt, params, max_tokens=10, stops=["\n\n"], threads=lambda: threads)
    assert isinstance(done, Done)
    text = "".join(chunk.text for chunk in chunks if not isinstance(chunk, Done))
    return {"text": text, "reason": done.finish_reason, "opened": opened, "threads": thread_count()}


def watch_opening() -> list[str]:
    """Return a list that every later opening of a file and import is added to."""
    opened: list[str] = []
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event in ("open", "import") else None)
    return opened


def control() -> list[str]:
    opened = watch_opening()
    private_bytes()
    return opened


def fork() -> object:
    """The whole path: load, context, release, template, fork; 1 and 2 threads; inherited and new context."""
    model = Model.load(find().path)
    ctx = Context(model, 1024)
    released = ctx.release_zero_pages()
    template = ChatTemplate(model.chat_template, model.bos, model.eos)
    gc.freeze()
    return {
        "released": released,
        "inherited 1": in_a_child(lambda: answer(model, ctx, template, 1)),
        "inherited 2": in_a_child(lambda: answer(model, ctx, template, 2)),
        "new 1": in_a_child(lambda: answer(model, Context(model, 1024), template, 1)),
        "again 1": in_a_child(lambda: answer(model, ctx, template, 1)),
        "control": in_a_child(control),
        "threads of the parent": thread_count(),
    }


def private() -> object:
    """Private memory before and after the release, with a context of 8192 tokens."""
    model = Model.load(find().path)
    before = private_bytes()
    ctx = Context(model, 8192)
    made = private_bytes()
    return {
        "context": made - before,
        "released": ctx.release_zero_pages(),
        "left": private_bytes() - before,
        "again": ctx.release_zero_pages(),
    }


def release() -> object:
    """Pages of a mapping: zero ones go, others stay as they are, untouched ones are not faulted in."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    size = 1024 * PAGE
    read_write, private = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    base, ranges = pages.mapped_during(lambda: libc.mmap(None, size, read_write, private, -1, 0))
    libc.madvise(ctypes.c_void_p(base), ctypes.c_size_t(size), mmap.MADV_NOHUGEPAGE)
    memory = (ctypes.c_char * size).from_address(base)
    for page in (3, 300, 301, 767):  # the last byte of one page, the first of another, the middle
        memory[page * PAGE + (page * 1365) % PAGE] = 1
    ctypes.memset(base + 600 * PAGE, 0, 100 * PAGE)
    ctypes.memset(base + 302 * PAGE, 0, 2 * PAGE)
    content = memory.raw[: 800 * PAGE]  # reads, and so maps the zero page into, the first 800 pages
    present = resident(base, 1024)
    released = sum(pages.release_zero_pages([part]) for part in ranges)
    left = resident(base, 1024)
    same = memory.raw[: 800 * PAGE] == content
    memory[0] = 5  # writable again
    return {
        "covered": any(part.start <= base and base + size <= part.end for part in ranges),
        "present": present,
        "released": released // PAGE,
        "left": left,
        "same": same,
        "writable": memory[0] == b"\x05",
    }


def resident(base: int, count: int) -> int:
    """How many of `count` pages from `base` are present."""
    with Path("/proc/self/pagemap").open("rb") as file:
        file.seek(base // PAGE * 8)
        return sum(byte >> 7 for byte in file.read(count * 8)[7::8])


def refuse() -> object:
    """A second thread, or a context in use: refused."""
    model = Model.load(find().path)
    ctx, used = Context(model, 256), Context(model, 256)
    used.decode([1, 2, 3], 0)
    reasons = [reason(used.release_zero_pages)]
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    reasons.append(reason(ctx.release_zero_pages))
    end.set()
    thread.join()
    deadline = time.monotonic() + 10
    while len(list(Path("/proc/self/task").iterdir())) > 1 and time.monotonic() < deadline:
        os.sched_yield()  # joined, and not yet gone from the kernel's list
    return {"reasons": reasons, "alone": ctx.release_zero_pages() > 0}


def reason(work: Callable[[], object]) -> str:
    try:
        work()
    except NoghostError as error:
        return error.message
    return ""


if __name__ == "__main__":
    print(json.dumps({"fork": fork, "private": private, "release": release, "refuse": refuse}[sys.argv[1]]()))
