"""`noghost templates`: add computes, list shows, remove removes; what is no use is refused with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from running import private_environment


def noghost(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "noghost.cli.main", "templates", *arguments]
    return subprocess.run(command, env=private_environment(home), capture_output=True, text=True, timeout=120)


def test_add_list_remove(tmp_path: Path) -> None:
    (tmp_path / "system.txt").write_text("You answer questions about trains. " * 12 + "\n")
    added = noghost(tmp_path, "add", "trains", "--system", str(tmp_path / "system.txt"))
    assert added.returncode == 0, added.stderr
    assert "ends with a newline" in added.stderr
    (row,) = json.loads(noghost(tmp_path, "list", "--json").stdout)
    assert added.stdout == f"trains: {row['tokens']} tokens, {row['digest'][:16]}\n"
    assert 64 <= row["tokens"] < 200
    state = tmp_path / "noghost" / "templates" / f"{row['digest']}.state"
    assert state.stat().st_size == row["state_bytes"] > 10_000
    assert noghost(tmp_path, "list").stdout.startswith(f"trains  {row['tokens']} tokens")
    assert noghost(tmp_path, "remove", "trains").stdout == "removed trains\n"
    assert not state.exists()
    assert noghost(tmp_path, "list").stdout == ""


@pytest.mark.parametrize(
    ("system", "tools", "message"),
    [
        ("word " * 9000, None, "does not fit 8192"),
        ("word " * 100, "{}", "no JSON array"),
    ],
)
def test_what_is_no_use_is_refused(tmp_path: Path, system: str, tools: str | None, message: str) -> None:
    (tmp_path / "system.txt").write_text(system)
    (tmp_path / "tools.json").write_text(tools or "[]")
    more = ("--tools", str(tmp_path / "tools.json")) if tools else ()
    refused = noghost(tmp_path, "add", "one", "--system", str(tmp_path / "system.txt"), *more)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert noghost(tmp_path, "list").stdout == ""


def test_without_a_system_message_it_is_the_models_own_beginning(tmp_path: Path) -> None:
    added = noghost(tmp_path, "add", "own")
    assert added.returncode == 0, added.stderr
    (row,) = json.loads(noghost(tmp_path, "list", "--json").stdout)
    assert 8 <= row["tokens"] < 64


def test_a_service_refuses_a_template_that_is_not_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "noghost.cli.main", "serve", "--port", "0", "--template", "gone"]
    done = subprocess.run(command, env=private_environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "there is no template named gone" in done.stderr
