"""Made in a process with one thread, inherited by children: the path that the service takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from noghost.engine.pages import Range, parse_maps, subtract

PARIS = "The capital of France is Paris."


def probe(name: str) -> dict[str, Any]:
    script = Path(__file__).with_name("engine_probes.py")
    done = subprocess.run([sys.executable, str(script), name], capture_output=True, text=True, timeout=110)
    assert (done.returncode, done.stderr) == (0, "")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def forked() -> dict[str, Any]:
    """What the children of one parent answered."""
    return probe("fork")


@pytest.mark.slow
def test_children_answer_from_what_the_parent_made(forked: dict[str, Any]) -> None:
    result = forked
    assert result["released"] > 0
    for name in ("inherited 1", "inherited 2", "new 1", "again 1"):
        assert isinstance(result[name], dict), (name, result[name])
        assert (result[name]["text"], result[name]["reason"]) == (PARIS, "stop"), name
    assert result["inherited 1"]["threads"] == 1
    assert result["inherited 2"]["threads"] == 2
    assert result["threads of the parent"] == 1


@pytest.mark.slow
def test_an_instance_opens_and_imports_nothing_while_it_answers(forked: dict[str, Any]) -> None:
    assert forked["control"], "the hook sees what is opened"
    for name in ("inherited 1", "inherited 2", "new 1", "again 1"):
        assert forked[name]["opened"] == [], name


def test_a_cleared_kv_cache_costs_the_parent_nothing() -> None:
    result = probe("private")
    assert result["context"] > 180 << 20  # the control: 8192 tokens of about 23 kB, cleared
    assert result["released"] >= 180 << 20
    assert result["left"] < 8 << 20
    assert result["again"] == 0


def test_only_zero_pages_that_are_there_are_given_back() -> None:
    result = probe("release")
    assert result["covered"]
    assert result["same"]
    assert result["writable"]
    assert result["left"] == 4  # the pages that hold something
    assert result["released"] == result["present"] - 4


def test_release_is_refused_with_a_second_thread_or_a_used_context() -> None:
    result = probe("refuse")
    assert "in use" in result["reasons"][0]
    assert "second thread" in result["reasons"][1]
    assert result["alone"]


MAPS = """\
00400000-00401000 r--p 00000000 08:01 42         /usr/bin/python3.11
00600000-00601000 rw-p 00001000 08:01 42         /usr/bin/python3.11
01000000-01100000 rw-p 00000000 00:00 0          [heap]
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
7f0000200000-7f0000201000 r--p 00000000 00:00 0
7f0000300000-7f0000301000 rwxp 00000000 00:00 0
7f0000400000-7f0000401000 rw-s 00000000 00:01 99 /dev/zero (deleted)
7f0000500000-7f0000501000 rw-s 00000000 00:00 0
7f0000600000-7f0000601000 rw-p 00000000 00:00 0  [anon:a name]
7f0000700000-7f0000800000 rw-p 00000000 00:00 0
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0  [stack]
7ffc00030000-7ffc00034000 r--p 00000000 00:00 0  [vvar]
"""


def test_only_nameless_private_anonymous_writable_mappings_count() -> None:
    assert parse_maps(MAPS) == [
        Range(0x7F0000000000, 0x7F0000100000),
        Range(0x7F0000700000, 0x7F0000800000),
    ]


def test_subtract_leaves_what_is_new() -> None:
    before = [Range(10, 20), Range(40, 50)]
    assert subtract([Range(0, 60)], before) == [Range(0, 10), Range(20, 40), Range(50, 60)]
    assert subtract([Range(10, 20), Range(45, 55)], before) == [Range(50, 55)]
    assert subtract([Range(20, 40)], before) == [Range(20, 40)]
    assert subtract([], before) == []
