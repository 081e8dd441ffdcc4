"""The caller's side: listing, verifying, remembering, and the command line over it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.samples import MINUTE, VECTORS, birth, end, fill, filled, number_id
from noghost.cli.receipts import receipts
from noghost.client import receipts as client
from noghost.config import default_ledger_dir
from noghost.errors import LedgerError, VerificationError
from noghost.ledger.entry import Ended
from noghost.ledger.keys import Signer
from noghost.ledger.store import Ledger

Run = Callable[..., Result]
IDS = ["abcdef" + f"{n:026x}" for n in range(3)] + ["123456" + "0" * 26]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "noghost"


@pytest.fixture
def run(home: Path) -> Run:
    return lambda *arguments: CliRunner().invoke(receipts, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def ledger_dir(home: Path) -> Path:
    """A ledger with an answered, a lost and two open invocations."""
    with Ledger.open(home / "ledger") as ledger:
        for number, invocation_id in enumerate(IDS):
            opened = birth(number)
            ledger.append(type(opened)(**{**fields_of(opened), "id": invocation_id}))
        ledger.append(Ended(MINUTE, IDS[0], "answered", "verified", 13, 13, 6, 7))
        ledger.append(Ended.lost(MINUTE, IDS[1]))
    return home / "ledger"


def fields_of(entry: object) -> dict[str, str]:
    return {name: getattr(entry, name) for name in entry.__slots__}


def test_directories_follow_xdg(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_ledger_dir() == home / "ledger"
    assert client.default_seen_dir() == home / "seen"
    for value in ("", "relative/path"):
        monkeypatch.setenv("XDG_DATA_HOME", value)
        monkeypatch.setenv("HOME", "/somebody")
        assert default_ledger_dir() == Path("/somebody/.local/share/noghost/ledger")


def test_list(run: Run, ledger_dir: Path) -> None:
    result = run()
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert len(lines) == 5
    assert lines[0].split() == ["ID", "OPENED", "OUTCOME", "WIPE", "PAGES", "VERIFIED", "PROMPT", "ANSWER"]
    assert lines[1].split()[:4] == [IDS[0][:12], MINUTE, "answered", "verified"]
    assert lines[1].split()[4:] == ["4096-8191", "4096-8191", "32-63", "64-127"]
    assert lines[2].split()[2:] == ["lost", "unseen", "-", "-", "-", "-"]
    assert lines[3].split()[2:] == ["open", "-", "-", "-", "-", "-"]


def test_list_as_json(run: Run, ledger_dir: Path) -> None:
    rows = json.loads(run("--ledger", ledger_dir, "--json").output)
    assert [row["opened"]["id"] for row in rows] == IDS
    assert rows[0]["ended"]["wiped_pages"] == 13
    assert rows[2]["ended"] is None


def test_nothing_is_made_where_no_ledger_is(run: Run, home: Path) -> None:
    for arguments in ((), ("show", "abcdef"), ("verify", "abcdef"), ("verify",)):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "hint:" in result.output
    assert not (home / "ledger").exists()


def test_show_then_verify_the_file(run: Run, ledger_dir: Path, tmp_path: Path) -> None:
    shown = run("show", "123456")
    file = tmp_path / "receipt.txt"
    file.write_text(shown.output)
    assert json.loads(run("--json", "show", "123456").output)["receipt"] == shown.output
    first, second = run("verify", file), run("verify", file)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "taken from the receipt" in first.output
    assert "known before" in second.output
    assert run("verify", "--key", client.read_receipt(file).vkey, file).exit_code == 0
    assert run("verify", "--key", Signer("a", bytes(32)).verifier.render(), file).exit_code == 1


def test_ambiguous_short_and_unknown_ids(run: Run, ledger_dir: Path) -> None:
    for prefix, reason in (("abcdef", "several"), ("12345", "not 6 to 32"), ("ffffff", "cannot find")):
        for command in ("show", "verify"):
            result = run(command, prefix)
            assert result.exit_code == 1
            assert reason in result.output


def test_a_changed_receipt_fails_with_reason_and_hint(run: Run, ledger_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "receipt.txt"
    text = run("show", IDS[0]).output
    file.write_text(text)
    assert run("verify", file).exit_code == 0
    file.write_text(text.replace("outcome answered", "outcome timeout"))
    result = run("verify", file)
    assert result.exit_code == 1
    assert "hint:" in result.output
    told = json.loads(run("--json", "verify", file).output)
    assert told["ok"] is False
    assert told["reason"]
    assert told["hint"]


def test_growth_is_proved_by_id_and_by_file(run: Run, ledger_dir: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.txt"
    old.write_text(run("show", IDS[0]).output)
    assert json.loads(run("--json", "verify", IDS[0]).output)["since"] == "first"
    with Ledger.open(ledger_dir) as ledger:
        fill(ledger, 300)
        ledger.checkpoint()
    assert json.loads(run("--json", "verify", IDS[0]).output)["since"] == "proved"
    assert json.loads(run("--json", "verify", IDS[0]).output)["since"] == "same"
    assert json.loads(run("--json", "verify", old).output)["since"] == "proved"
    away = json.loads(run("--ledger", tmp_path / "none", "--json", "verify", old).output)
    assert (away["ok"], away["since"]) == (True, "unchecked")


def test_the_whole_ledger(run: Run, ledger_dir: Path) -> None:
    with Ledger.open(ledger_dir) as ledger:
        fill(ledger, 300)
    assert json.loads(run("--json", "verify").output)["entries"] == 306
    bundle = ledger_dir / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b"outcome answered", b"outcome timeout "))
    assert run("verify").exit_code == 1


def test_a_ledger_rolled_back_to_an_older_state_is_refused(run: Run, ledger_dir: Path, tmp_path: Path) -> None:
    assert run("verify", IDS[0]).exit_code == 0
    shutil.copytree(ledger_dir, tmp_path / "backup")
    with Ledger.open(ledger_dir) as ledger:
        ledger.append(end(9))
        ledger.checkpoint()
    assert run("verify", IDS[0]).exit_code == 0
    shutil.rmtree(ledger_dir)
    shutil.copytree(tmp_path / "backup", ledger_dir)
    for arguments in (("verify", IDS[0]), ("verify",)):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "truncated or rewritten" in result.output


def test_a_ledger_replaced_by_another_is_refused(run: Run, ledger_dir: Path) -> None:
    assert run("verify", IDS[0]).exit_code == 0
    shutil.rmtree(ledger_dir)
    with filled(ledger_dir, 3):
        pass
    result = run("verify", number_id(1))
    assert result.exit_code == 1
    assert "another key" in result.output


def test_the_key_of_a_log_is_pinned(home: Path, tmp_path: Path) -> None:
    seen = home / "seen"
    file = tmp_path / "receipt.txt"
    shutil.copy(VECTORS / "good/closed.txt", file)
    assert client.verify_file(file, seen).pinned is False
    assert client.verify_file(file, seen).pinned is True
    with pytest.raises(VerificationError, match="another key"):
        client.verify_file(_same_log_by_another_key(tmp_path), seen)


def _same_log_by_another_key(tmp_path: Path) -> Path:
    """A valid receipt of a log with the same name as the vectors', signed by another key."""
    directory = tmp_path / "impostor"
    directory.mkdir(mode=0o700)
    (directory / "key").write_text(Signer("noghost.local/vectors", bytes(32)).render() + "\n")
    (directory / "key").chmod(0o600)
    with filled(directory, 5) as ledger:
        receipt = ledger.receipt(number_id(1))
        receipt.verify(ledger.vkey)
    (tmp_path / "impostor.txt").write_text(receipt.render())
    return tmp_path / "impostor.txt"


def test_an_older_checkpoint_does_not_replace_a_newer_one(home: Path, ledger_dir: Path) -> None:
    seen = home / "seen"
    with Ledger.open(ledger_dir) as ledger:
        old = ledger.checkpoint()
        ledger.append(end(9))
        new = ledger.checkpoint()
        for signed in (old, new, old):
            client.remember(seen, ledger.vkey, signed)
        recalled = client.recall(seen, ledger.origin)
    assert recalled == client.Seen(ledger.vkey, new)
    assert client.recall(seen, "../../other") is None


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"x" * 100_000, "§".encode() * 40_000])
def test_a_file_that_is_no_receipt(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(LedgerError, match="cannot read the receipt"):
        client.verify_file(tmp_path / "file", tmp_path / "seen")
    assert not (tmp_path / "seen").exists()
