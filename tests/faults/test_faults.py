"""The fault runner on a small scale, and that each of its checks can fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from faults import checks
from faults.faults import FAULTS
from faults.load import KINDS, Said, note_answer
from faults.runner import choose
from ledger.samples import birth, end, number_id
from noghost.client.hunt import needles_for, new_canary
from noghost.ledger.store import Ledger

RUNNER = Path(__file__).with_name("runner.py")
FAULTS_WANTED = 60
PATIENCE_S = 280


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The runner, without its measurement of instances that run out of memory."""
    command = [sys.executable, str(RUNNER), "--oom", "0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S + 20)
def test_whatever_strikes_what_was_promised_holds(tmp_path: Path) -> None:
    done = run("--seed", "1", "--faults", str(FAULTS_WANTED), "--json", str(tmp_path / "found"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found").read_text())
    assert found["violations"] == []
    possible = {fault.name for fault in FAULTS if fault.needs not in found["impossible"]}
    assert possible == {*found["struck"], *found["missed"]}, "every fault that this host permits had its turn"
    assert sum(found["struck"].values()) > FAULTS_WANTED / 2
    assert found["acknowledged"] > 10
    assert found["ends"]["lost, unseen"] == found["lost"] > 0, "control: some ends were seen by nobody, and said so"
    assert found["controls"] or "looking into an instance" in found["impossible"]


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S + 20)
def test_a_reaper_that_says_durable_and_writes_nothing_is_found(tmp_path: Path) -> None:
    some = ("--faults", "120", "--only", "reaper: SIGKILL", "--pause", "6")  # time to answer between two ends
    done = run("--seed", "1", *some, "--mutant", "forgetful")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "acknowledged, and not in the ledger" in done.stdout


def test_the_faults_are_a_function_of_the_seed() -> None:
    def names(seed: int) -> list[str]:
        return [fault.name for fault in choose(seed, 100, {})]

    assert names(7) == names(7)
    assert names(7) != names(8)
    assert set(names(7)) == {fault.name for fault in FAULTS}


def test_what_is_not_possible_is_left_out() -> None:
    impossible = {"small disk": "no"}
    assert not [fault for fault in choose(1, 500, impossible) if fault.needs in impossible]


def test_an_acknowledged_entry_that_was_removed_is_named(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger") as ledger:
        for number in range(3):
            ledger.append(birth(number))
        ledger.sync()
    acknowledged = [number_id(number) for number in range(3)]
    with checks.copied(tmp_path / "ledger") as copy:
        entries = list(copy.entries())
    assert checks.lost_entries(entries, acknowledged) == []
    without = [entry for entry in entries if entry.id != number_id(1)]
    assert checks.lost_entries(without, acknowledged) == [f"acknowledged, and not in the ledger: {number_id(1)}"]


def test_births_and_ends_come_in_pairs() -> None:
    assert checks.unpaired([birth(1), birth(2), end(2), end(1)]) == []
    assert checks.unpaired([birth(1)]) == [f"a birth with 0 ends: {number_id(1)}"]
    assert checks.unpaired([birth(1), end(1), end(1)]) == [f"a birth with 2 ends: {number_id(1)}"]
    assert checks.unpaired([end(1)]) == [f"an end without a birth: {number_id(1)}"]
    assert checks.unpaired([birth(1), birth(1), end(1)]) == [f"2 births of one id: {number_id(1)}"]


def test_a_ledger_that_was_begun_anew_is_named(tmp_path: Path) -> None:
    """With the same key, as an operator could."""
    path = tmp_path / "ledger"
    with Ledger.open(path) as ledger:
        ledger.append(birth(1))
        seen = ledger.checkpoint()
        assert checks.rewritten(ledger, [seen]) == []
    for old in [one for one in path.iterdir() if one.name != "key"]:
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    with Ledger.open(path) as ledger:
        ledger.append(birth(2))
        ledger.append(birth(3))
        ledger.checkpoint()
        assert len(checks.rewritten(ledger, [seen])) == 1


def test_an_entry_that_was_changed_on_the_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with Ledger.open(path) as ledger:
        for number in range(300):
            ledger.append(birth(number))
        ledger.checkpoint()
        assert checks.not_whole(ledger) == []
        bundle = next(one for one in sorted(path.rglob("*")) if one.is_file() and b"0.1.0" in one.read_bytes())
        bundle.write_bytes(bundle.read_bytes().replace(b"0.1.0", b"0.1.1", 1))
        assert len(checks.not_whole(ledger)) == 1


def test_a_copy_in_a_file_is_found_and_not_repeated(tmp_path: Path) -> None:
    canary = new_canary()
    assert checks.ghosts([], tmp_path, needles_for(canary)) == []
    (tmp_path / "log").write_text(f"it said {canary}")
    found = checks.ghosts([], tmp_path, needles_for(canary))
    assert len(found) == 1
    assert canary not in found[0]


def test_a_traceback_is_named_by_its_error() -> None:
    log = "fine\nTraceback (most recent call last):\n  File x, line 1\n    a()\nKeyError: 'a'\nfine\n"
    assert checks.tracebacks([log, "fine\n"]) == ["a traceback: KeyError: 'a'"]
    assert checks.tracebacks([log.replace("KeyError: 'a'", "MemoryError")]) == []


@pytest.mark.parametrize(
    ("head", "body", "whole"),
    [
        ("content-type: application/json\r\ncontent-length: 2", "{}", True),
        ("content-type: application/json\r\ncontent-length: 3", "{}", False),
        ("content-type: text/event-stream; charset=utf-8", "data: {}\n\ndata: [DONE]\n\n", True),
        ("content-type: text/event-stream; charset=utf-8", "data: {}\n\n", False),
    ],
)
def test_only_a_whole_answer_counts_as_acknowledged(head: str, body: str, whole: bool) -> None:
    said = Said("chat", 0.0)
    note_answer(said, f"HTTP/1.1 200 OK\r\nnoghost-instance: {number_id(5)}\r\n{head}\r\n\r\n{body}".encode())
    assert (said.status, said.invocation, said.acknowledged) == (200, number_id(5), whole)
    assert "chat" in KINDS
