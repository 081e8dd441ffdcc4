"""`noghost ask` on a host that cannot confine: the instance says so, and it can be told to do without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from running import private_environment

REFUSES_SECCOMP = """
import sys
sys.path.insert(0, sys.argv[1])
import bpf
bpf.install(bpf.ERRNO | 1, "seccomp")
from noghost.cli.main import cli
cli(sys.argv[2:])
"""


def ask(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", REFUSES_SECCOMP, tests, "ask", "Say yes.", "--max-tokens", "3", *arguments]
    return subprocess.run(
        command,
        env=private_environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def test_nothing_is_asked_where_an_instance_cannot_be_confined(tmp_path: Path) -> None:
    done = ask(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "seccomp failed" in done.stderr
    assert "--without seccomp" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_that_step_it_answers_and_the_receipt_says_so(tmp_path: Path) -> None:
    done = ask(tmp_path, "--without", "seccomp", "--json")
    assert done.returncode == 0, done.stderr
    receipts = [sys.executable, "-m", "noghost.cli.main", "receipts", "--json"]
    told = subprocess.run(receipts, env=private_environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert json.loads(told.stdout)[0]["opened"]["host"].endswith("without=seccomp")


@pytest.mark.parametrize("command", ["ask", "serve"])
def test_a_step_that_is_none_is_named(tmp_path: Path, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "noghost.cli.main", command, "--without", "everything"],
        env=private_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    assert "no step called everything" in done.stderr
    assert "landlock, seccomp" in done.stderr
