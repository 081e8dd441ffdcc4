"""An instance gives no memory back while it lives: what it wrote stays until the reaper has wiped it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

SCRIPT = str(Path(__file__).with_name("giving_back.py"))


def answer(mode: str) -> dict[str, object]:
    """How the served process ended."""
    done = subprocess.run([sys.executable, SCRIPT, mode], capture_output=True, text=True, timeout=90, check=True)
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_a_whole_answer_gives_nothing_back() -> None:
    assert answer("keep") == {"answered": True, "status": 0}


def test_control_without_the_measures_it_would() -> None:
    assert answer("control")["status"] == signal.SIGSYS
