"""The hunter's eyes for files: changed ones, names, shared memory, memfds, deleted and open ones."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noghost.client.hunt import count_in_file, needles_for, new_canary
from noghost.client.hunt.files import SHARED_MEMORY, changed_since, in_shared_memory, may_hold_news
from noghost.client.hunt.processes import open_for_writing
from noghost.errors import HuntError


def test_every_copy_in_a_file_is_counted(tmp_path: Path) -> None:
    canary = new_canary()
    path = tmp_path / "log"
    path.write_text(f"{canary}\n" * 3 + "x" * 100_000 + canary)
    finds = count_in_file(path, needles_for(canary))
    assert [(find.kind, find.place) for find in finds] == [("file", str(path))] * 4


def test_file_name_is_searched_and_withheld(tmp_path: Path) -> None:
    canary = new_canary()
    path = tmp_path / f"{canary}.json"
    path.touch()
    (find,) = count_in_file(path, needles_for(canary))
    assert find.kind == "file name"
    assert canary.split()[0] not in find.place


def test_only_files_changed_since_are_listed(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("x")
    (tmp_path / "link").symlink_to("new")
    os.mkfifo(tmp_path / "pipe")
    assert list(changed_since(tmp_path, time.time())) == [tmp_path / "new"]
    assert list(changed_since(tmp_path, time.time() + 60)) == []


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HuntError, match="no such folder"):
        list(changed_since(tmp_path / "absent", 0))


def test_shared_memory_is_listed() -> None:
    path = SHARED_MEMORY / f"noghost-test-{secrets.token_hex(8)}"
    canary = new_canary()
    path.write_text(canary)
    try:
        found = [find for listed in in_shared_memory() for find in count_in_file(listed, needles_for(canary))]
    finally:
        path.unlink()
    assert [(find.kind, find.place) for find in found] == [("shared memory", str(path))]


KEEPER = """
import os, sys
text = os.read(0, 4096)
os.write(os.memfd_create("scratch"), text)
gone = os.open("gone", os.O_RDWR | os.O_CREAT); os.write(gone, text); os.unlink("gone")
kept = os.open("kept", os.O_RDWR | os.O_CREAT); os.write(kept, text)
read = os.open("kept", os.O_RDONLY)
os.write(1, b"r")
os.read(0, 1)
"""


def test_files_that_a_process_holds_open_for_writing_are_searched(tmp_path: Path) -> None:
    canary, began_s = new_canary(), time.time()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", KEEPER], cwd=tmp_path, **pipes) as keeper:
        os.write(keeper.stdin.fileno(), canary.encode())
        assert os.read(keeper.stdout.fileno(), 1) == b"r"
        files = [file for file in open_for_writing(keeper.pid) if may_hold_news(file, began_s)]
        counts = [len(count_in_file(file.path, needles_for(canary), follow=True)) for file in files]
    labels = [file.label.removeprefix(f"{tmp_path}/") for file in files]
    assert labels == ["/memfd:scratch (deleted)", "gone (deleted)", "kept"]
    assert counts == [1, 1, 1]
