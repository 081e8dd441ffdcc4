"""Three nodes, each with a ledger and a key of its own, witness each other: who rewrites its log is found by both."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.test_witness import Running, witnessing
from ledger.samples import birth, end, fill, number_id
from noghost.cli.receipts import receipts
from noghost.ledger.store import Ledger

NODES = 3


def run(ledger: Ledger, *arguments: str) -> Result:
    return CliRunner().invoke(receipts, ["--ledger", str(ledger.path), *arguments], catch_exceptions=False)


def cosign(ledger: Ledger, witness: Running) -> Result:
    return run(ledger, "checkpoint", "--witness", witness.url, "--witness-key", witness.key)


@pytest.mark.slow
def test_three_nodes_witness_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "caller"))
    with ExitStack() as held:
        logs = [held.enter_context(Ledger.open(tmp_path / f"log-{node}")) for node in range(NODES)]
        for node, log in enumerate(logs):
            fill(log, 3 + node)
            log.append(end(1))
        others = [[log for log in logs if log is not own] for own in logs]
        keys = [[word for log in known for word in ("--log", log.vkey)] for known in others]
        witnesses = [held.enter_context(witnessing(tmp_path / f"witness-{node}", *keys[node])) for node in range(NODES)]
        for node, log in enumerate(logs):
            assert "does not know this log" in cosign(log, witnesses[node]).output, "nobody is its own witness"
            for other in range(NODES):
                if other != node:
                    assert f"cosigned {log.size} entries" in cosign(log, witnesses[other]).output
                    done = run(log, "verify", number_id(1), "--witness-key", witnesses[other].key)
                    assert done.exit_code == 0, done.output
        logs[0].append(birth(50))
        assert f"cosigned {logs[0].size} entries" in cosign(logs[0], witnesses[1]).output, "control: it only grew"

        rewritten = tmp_path / "rewritten"
        rewritten.mkdir(mode=0o700)
        shutil.copy(logs[2].path / "key", rewritten)
        with Ledger.open(rewritten) as other:
            fill(other, 40, first=700)
            for witness in witnesses[:2]:
                done = cosign(other, witness)
                assert (done.exit_code, "has cosigned another history" in done.output) == (1, True)
