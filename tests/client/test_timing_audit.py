"""`noghost audit timing` against real servers: nothing of ours leaks, a shared cache does (the control)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from noghost.weights.find import find
from running import private_environment
from stock import stock_server

AUDIT = (sys.executable, "-m", "noghost.cli.main", "audit", "timing", "--json", "--seed", "1")
# 15 are the fewest that can tell a leak, and then none may be out of order; on a busy machine some are.
# One in 10,000 audits of a server without a leak says that there is one.
PAIRS = 20
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


def audit(home: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    """(exit status, what it told)."""
    env = private_environment(home)
    done = subprocess.run([*AUDIT, *arguments], env=env, capture_output=True, text=True, timeout=250)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_one_callers_prompt_makes_nobody_elses_faster(tmp_path: Path) -> None:
    status, told = audit(tmp_path, "--pairs", str(PAIRS), "--words", "40")
    assert told["verdict"] != "leaks"
    assert status in (0, 2)
    assert len(told["seen_s"]) == len(told["unseen_s"]) == PAIRS  # type: ignore[arg-type]


def test_a_server_with_a_shared_cache_leaks(tmp_path: Path) -> None:
    """The control: the stock llama-server as it is by default."""
    with stock_server(find().path, n_threads=1) as stock:
        status, told = audit(tmp_path, "--url", stock.url, "--pairs", str(PAIRS), "--words", "60")
    assert (status, told["verdict"]) == (1, "leaks")
    assert float(str(told["auc"])) > 0.9


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    command = [*AUDIT, "--url", "http://127.0.0.1:9"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
