"""A disk that cannot sync: nothing is claimed, nothing is lost, and it goes on when the disk does.

The control is in each case: it fails unless calls are refused while no sync succeeds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults.failing_sync import build, compiler, environment

PROGRAM = Path(__file__).with_name("fails_to_sync.py")


@pytest.mark.slow
@pytest.mark.skipif(compiler() is None, reason="no C compiler to build the failing sync with")
@pytest.mark.parametrize("case", ["recovers", "stays_closed", "every_step"])
def test_a_sync_that_fails(tmp_path: Path, case: str) -> None:
    flag = tmp_path / "flag"
    env = os.environ | environment(build(tmp_path), flag)
    command = [sys.executable, str(PROGRAM), case, str(tmp_path / "ledger"), str(flag)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
