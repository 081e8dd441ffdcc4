"""`ask`, `receipts` and `status` find the ledger where `serve` would: flag, environment, file, default."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from noghost.cli.settings import effective
from noghost.cli.status import status
from noghost.cli.where import ledger_at
from noghost.errors import ConfigError
from running import private_environment


@pytest.mark.parametrize("where", ["environment", "file", "nowhere"])
def test_an_ask_is_in_the_ledger_that_the_others_look_into(tmp_path: Path, where: str) -> None:
    (tmp_path / "noghost.toml").write_text('port = 1\nledger = "records"\n')
    told = {"environment": {"NOGHOST_LEDGER": "records"}, "file": {"NOGHOST_CONFIG": "noghost.toml"}, "nowhere": {}}
    environment = private_environment(tmp_path / "home") | told[where]

    def noghost(*arguments: str) -> str:
        command = [sys.executable, "-m", "noghost.cli.main", *arguments]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    noghost("ask", "Say yes.", "--max-tokens", "1")
    lies = tmp_path / ("home/noghost/ledger" if where == "nowhere" else "records")
    assert [path.parent for path in tmp_path.rglob("checkpoint")] == [lies]
    assert len(json.loads(noghost("receipts", "--json"))) == 1
    assert json.loads(noghost("status", "--watch", "0", "--json"))["last_end"]


def test_the_order_is_that_of_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "noghost.toml"
    file.write_text('ledger = "of the file"\n')
    for variable, flag in ((None, None), ("of the variable", None), ("of the variable", tmp_path / "of the flag")):
        monkeypatch.setenv("NOGHOST_LEDGER", variable or "")
        served = effective(file, ledger=flag).value("ledger")
        given = flag or (Path(variable) if variable else None)  # as click gives it
        assert ledger_at(given, file) == served
    file.write_text("port = 1\n")
    monkeypatch.delenv("NOGHOST_LEDGER")
    assert ledger_at(None, file) == ledger_at(None, None) == effective(file).value("ledger")


def test_a_wrong_file_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "noghost.toml"
    file.write_text("\nledgers = 1\n")
    done = CliRunner().invoke(status, ["--config", str(file)])
    assert isinstance(done.exception, ConfigError)
    assert f"{file}:2: unknown key `ledgers`; did you mean `ledger`?" in str(done.exception)
