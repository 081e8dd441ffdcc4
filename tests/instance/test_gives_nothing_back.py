"""An instance gives no memory back while it lives, and opens no file: what it wrote stays until it is wiped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = str(Path(__file__).with_name("giving_back.py"))


def answer(mode: str) -> dict[str, object]:
    """How the served process ended."""
    done = subprocess.run([sys.executable, SCRIPT, mode], capture_output=True, text=True, timeout=90, check=True)
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.mark.slow
def test_a_whole_answer_gives_nothing_back_and_opens_nothing() -> None:
    assert answer("keep") == {"answered": True, "status": 0}


@pytest.mark.slow
def test_an_answer_over_tls_gives_nothing_back_and_opens_nothing() -> None:
    """OpenSSL has gone through a handshake before the fork."""
    assert answer("tls") == {"answered": True, "status": 0}


@pytest.mark.slow
def test_a_check_of_a_key_gives_nothing_back_and_opens_nothing() -> None:
    """scrypt takes 1 MiB and frees it; the instance's first check imports nothing."""
    assert answer("key") == {"answered": True, "status": 0}
    assert answer("wrong") == {"answered": False, "status": 0}


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["give", "open"])
def test_control_the_kernel_would_have_killed_it(fault: str) -> None:
    assert answer(fault)["status"] == signal.SIGSYS
