"""The units in contrib/systemd, as far as they can be checked without a running systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "contrib" / "systemd"
ANALYZE = shutil.which("systemd-analyze")
HAS_ANALYZE = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed (Debian: systemd)")
# Of 10, by systemd 252; what it still counts is what tracing, seccomp and the warden's namespace need.
MOST_EXPOSED = 2.0


def complaints(folder: Path) -> str:
    """What systemd says of both units."""
    assert ANALYZE is not None
    command = [ANALYZE, "verify", "--man=no", str(folder / "noghost.socket"), str(folder / "noghost.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@HAS_ANALYZE
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    service = tmp_path / "noghost.service"
    service.write_text(service.read_text().replace("/opt/noghost/bin/noghost", "/bin/true"))
    assert complaints(tmp_path) == ""
    service.write_text(service.read_text() + "NoSuchDirective=yes\n")
    assert "NoSuchDirective" in complaints(tmp_path), "control"


def exposure(unit: Path) -> float:
    """systemd's own measure of what a unit may do: 0 nothing, 10 everything."""
    assert ANALYZE is not None
    command = [ANALYZE, "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "offline" in done.stderr:
        pytest.skip("systemd-analyze is older than 250: no security --offline")
    found = re.search(r"exposure level for noghost.service: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


@HAS_ANALYZE
def test_the_service_may_do_little(tmp_path: Path) -> None:
    bare = tmp_path / "noghost.service"
    text = (UNITS / "noghost.service").read_text()
    bare.write_text(text)
    assert exposure(bare) <= MOST_EXPOSED
    bare.write_text("".join(line for line in text.splitlines(True) if not line.startswith(("Protect", "Capability"))))
    assert exposure(bare) > MOST_EXPOSED, "control"


def test_what_the_service_needs_is_not_taken_away() -> None:
    lines = (UNITS / "noghost.service").read_text().splitlines()
    told = {line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")}
    assert told & {"ProtectProc", "ProcSubset", "MemoryDenyWriteExecute", "PrivateUsers"} == set()
    assert "SystemCallFilter=@system-service @debug" in lines, "ptrace"
    assert "RestrictNamespaces=user net" in lines
    assert "KillMode=mixed" in lines, "the reaper ends last"
