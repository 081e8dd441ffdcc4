"""Weights that a thread loads ahead: nothing is left of the thread, and what is refused is told."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from noghost.engine.ahead import begin
from noghost.engine.context import Room
from noghost.engine.pages import PAGE_BYTES, SAMPLE_BYTES, Range, zero_blocks
from noghost.errors import WeightsError
from noghost.weights.find import find

LOAD = """
import os, sys
from noghost.engine.ahead import begin
from noghost.engine.context import Room
from noghost.instance.memory import keep_one_arena
if sys.argv[2] == "one":
    keep_one_arena()
wait = begin(sys.argv[1], Room(512))
model, context = wait()
print(len(os.listdir("/proc/self/task")), model.n_vocab, flush=True)
import ctypes
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def loaded(arenas: str) -> tuple[list[int], int]:
    """(threads, tokens of the vocabulary), and arenas of malloc, once it is there."""
    command = [sys.executable, "-c", LOAD, os.fspath(find().path), arenas]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return [int(word) for word in told.split("\n", 1)[0].split()], told.count("<heap nr=")


def test_the_thread_is_gone_once_the_model_is_there() -> None:
    assert loaded("one") == ([1, 49152], 1)


def test_control_the_thread_would_leave_an_arena_behind() -> None:
    assert loaded("many") == ([1, 49152], 2)


BESIDE = """
import sys
from pathlib import Path
from noghost.engine.ahead import begin
from noghost.engine.context import Room
from noghost.instance.memory import keep_one_arena
keep_one_arena()
wait = begin(Path(sys.argv[1]), Room(8192))
held = []
while wait.__self__._thread.is_alive():  # CPython maps arenas, and malloc blocks of its own, beside the context
    held += [[bytes(64) for _ in range(1000)], bytearray(300_000)]
held = held[:200]
model, context = wait()
print(context.release_zero_pages(), context.release_zero_pages())
assert all(not any(block) if isinstance(block, bytearray) else set(block) == {bytes(64)} for block in held)
"""


def test_what_is_mapped_beside_the_context_is_left_alone_and_the_cleared_cache_given_back() -> None:
    command = [sys.executable, "-c", BESIDE, os.fspath(find().path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    first, again = map(int, told.split())
    assert first > 179 << 20, "of 180 MiB"
    assert again == 0


def test_blocks_that_are_zero_are_found_among_others() -> None:
    """Of 64 blocks: some cleared, some with a header as an arena's pools have, some never touched."""
    memory = mmap.mmap(-1, 64 * SAMPLE_BYTES + PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    place = (ctypes.c_char * len(memory)).from_buffer(memory)
    base = -(-ctypes.addressof(place) // SAMPLE_BYTES) * SAMPLE_BYTES
    ctypes.memset(base, 0, 40 * SAMPLE_BYTES)
    for block in (0, 1, 20, 39):
        ctypes.memset(base + block * SAMPLE_BYTES, 1, 1)
    whole = Range(ctypes.addressof(place), ctypes.addressof(place) + 63 * SAMPLE_BYTES)
    found = [((part.start - base) // SAMPLE_BYTES, (part.end - base) // SAMPLE_BYTES) for part in zero_blocks([whole])]
    assert found == [(2, 20), (21, 39)]


def test_what_llama_cpp_refuses_is_told_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "no.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    wait = begin(path, Room(512))
    with pytest.raises(WeightsError, match=r"no\.gguf: \w+"):
        wait()
