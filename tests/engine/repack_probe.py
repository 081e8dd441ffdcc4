"""Load one file as it is, repacked, and repacked and held in a file; answer with each in a child. Prints JSON.

python repack_probe.py MODEL
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import mmap
import os
import re
import sys
import tempfile
from pathlib import Path

from noghost.engine.generate import Done, generate
from noghost.engine.llama import start_backend
from noghost.engine.loaded import Loaded, load
from noghost.engine.model import Model
from noghost.engine.sampler import SamplingParams

PAGE = mmap.PAGESIZE
QUESTION = "Write two sentences about a lighthouse. " * 8  # more than 64 tokens: both paths of ggml


def private_bytes() -> int:
    """Anonymous memory of this process alone."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * sum(int(kb) for kb in re.findall(r"^Private_Dirty: +(\d+) kB", text, re.MULTILINE))


def own_pages(model: Model) -> int:
    """Pages of the model's memory that this process wrote itself: present, no file's, mapped here alone."""
    count = 0
    with Path("/proc/self/pagemap").open("rb") as file:
        for part in model._new_memory:
            file.seek(part.start // PAGE * 8)
            tops = file.read((part.end - part.start) // PAGE * 8)[7::8]
            count += sum(top & 0x80 and not top & 0x20 and top & 1 for top in tops)
    return count


def answer(loaded: Loaded) -> str:
    """A greedy answer, with two threads."""
    prompt = loaded.model.tokenize_prompt(loaded.template.render([{"role": "user", "content": QUESTION}]))
    loaded.context.start_threads(2)
    greedy = SamplingParams(seed=0, temperature=0)
    run = generate(loaded.model, loaded.context, prompt, greedy, max_tokens=24, stops=(), threads=lambda: 2)
    return "".join(chunk.text for chunk in run if not isinstance(chunk, Done))


def in_child(loaded: Loaded, how: str) -> dict[str, object]:
    """What an instance sees and does."""
    ear, mouth = os.pipe()
    pid = os.fork()
    if pid == 0:
        found: dict[str, object] = {f"answer, {how}": answer(loaded)}
        found[f"state, {how}"] = hashlib.sha256(loaded.context.save()).hexdigest()
        if how == "held":
            found["own pages of the weights"] = own_pages(loaded.model)
            middle = sum(loaded.model._new_memory[0]) // 2
            ctypes.memset(middle, ctypes.c_ubyte.from_address(middle).value, 1)
            found["own pages after a write"] = own_pages(loaded.model)
        os.write(mouth, json.dumps(found).encode())
        os._exit(0)
    os.close(mouth)
    with open(ear, "rb") as listener:  # noqa: PTH123  a descriptor, not a path
        said = listener.read()
    os.waitpid(pid, 0)
    return dict(json.loads(said))


def main() -> None:
    path = Path(sys.argv[1])
    found: dict[str, object] = {}
    start_backend()
    before = private_bytes()
    plain = load(path, 512)
    found["private, as it is"] = private_bytes() - before
    before = private_bytes()
    packed = load(path, 512, repack=True)
    found["private, repacked"] = private_bytes() - before
    found |= in_child(plain, "as it is") | in_child(packed, "repacked")
    with tempfile.TemporaryFile(buffering=0) as file:
        found["held"] = packed.model.hold_in_file(file.fileno())
    found["private, held"] = private_bytes() - before
    found |= in_child(packed, "held")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
