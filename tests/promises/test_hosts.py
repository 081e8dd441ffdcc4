"""Hosts that cannot do it are refused, with the way out; an ordinary user's process can do it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promises.talking import say
from promises.test_p2_gone import receipt_of
from running import SERVE, private_environment, running

NO_PTRACE = (sys.executable, str(Path(__file__).with_name("no_ptrace.py")))
NO_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def test_a_host_that_refuses_ptrace_is_not_served_from(tmp_path: Path) -> None:
    done = subprocess.run(
        [*NO_PTRACE, *SERVE, "--port", "0"],
        env=private_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "cannot trace" in done.stderr
    assert "ptrace_scope" in done.stderr, "what to change"
    assert "--unverified" in done.stderr, "what else to do"
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_ask_is_refused_there_too_and_answers_unverified(tmp_path: Path) -> None:
    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*NO_PTRACE, *SERVE[:-1], "ask", "Say yes.", "--max-tokens", "3", "--json", *arguments]
        env = private_environment(tmp_path)
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    refused = ask()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "cannot trace" in refused.stderr
    assert "--unverified" in refused.stderr
    assert "Traceback" not in refused.stderr
    answered = ask("--unverified")
    assert (answered.returncode, answered.stderr) == (0, "")
    assert json.loads(answered.stdout)["wipe"] == "unverified"


def test_unverified_serves_there_and_every_receipt_says_so(tmp_path: Path) -> None:
    with running(tmp_path, "--unverified", command=(*NO_PTRACE, *SERVE)) as service:
        with say(service, "Say yes.", max_tokens=2) as call:
            assert b" 200 " in call.read_all()
        receipt = receipt_of(service, call.invocation)
        assert (receipt["outcome"], receipt["wipe"]) == ("answered", "unverified")
        assert receipt["wiped_pages"] == receipt["verified_pages"] == 0


def test_without_any_capability_everything_is_verified(tmp_path: Path) -> None:
    """As an ordinary user, for whom an undumpable process is out of reach: the windows were opened at birth."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("setpriv (util-linux) is not installed")
    command = (*NO_CAPABILITIES, *SERVE) if os.geteuid() == 0 else SERVE
    with running(tmp_path, command=command) as service:
        assert "CapEff:\t0000000000000000" in Path(f"/proc/{service.pid}/status").read_text()
        with say(service, "Say yes.", max_tokens=2) as call:
            assert b" 200 " in call.read_all()
        receipt = receipt_of(service, call.invocation)
        assert (receipt["outcome"], receipt["wipe"]) == ("answered", "verified")
