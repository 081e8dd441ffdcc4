"""Weights that a thread loads ahead: nothing is left of the thread, and what is refused is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from noghost.engine.ahead import begin
from noghost.engine.context import Room
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


def test_what_llama_cpp_refuses_is_told_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "no.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    wait = begin(path, Room(512))
    with pytest.raises(WeightsError, match=r"no\.gguf: \w+"):
        wait()
