"""The units in contrib/systemd, as far as they can be checked without a running systemd."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "contrib" / "systemd"
ANALYZE = shutil.which("systemd-analyze")


def complaints(folder: Path) -> str:
    """What systemd says of both units."""
    assert ANALYZE is not None
    command = [ANALYZE, "verify", "--man=no", str(folder / "noghost.socket"), str(folder / "noghost.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    service = tmp_path / "noghost.service"
    service.write_text(service.read_text().replace("/opt/noghost/bin/noghost", "/bin/true"))
    assert complaints(tmp_path) == ""
    service.write_text(service.read_text() + "NoSuchDirective=yes\n")
    assert "NoSuchDirective" in complaints(tmp_path), "control"


def test_what_the_service_needs_is_not_taken_away() -> None:
    lines = (UNITS / "noghost.service").read_text().splitlines()
    told = {line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")}
    assert told & {"ProtectProc", "ProcSubset", "MemoryDenyWriteExecute", "PrivateUsers"} == set()
    assert "SystemCallFilter=@system-service @debug" in lines, "ptrace"
    assert "RestrictNamespaces=user net" in lines
    assert "KillMode=mixed" in lines, "the reaper ends last"
