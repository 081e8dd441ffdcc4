"""`noghost chat`, from a pipe, against a real service."""

from __future__ import annotations

from pathlib import Path

from noghost.client.transcript import TranscriptFile
from running import Service


def test_a_conversation_from_a_pipe(service: Service) -> None:
    lines = "Tell me about the sea, the ships and the harbours of the world, in a few words.\n\nAnd the sky?\n"
    done = service.noghost(
        "chat", "--url", service.url, "--max-tokens", "8", "--temperature", "0", "--facts", input=lines
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) >= 2
    first, second = (line for line in done.stderr.splitlines() if line.startswith("instance "))
    assert "capsule_tokens" not in first
    assert "capsule_tokens" in second
    assert first.split()[1] != second.split()[1], "a process each"


def test_nothing_is_kept_on_disk(service: Service) -> None:
    before = {path for path in service.home.rglob("*") if path.is_file()}
    assert service.noghost("chat", "--url", service.url, "--max-tokens", "2", input="Hi\n").returncode == 0
    new = {path for path in service.home.rglob("*") if path.is_file()} - before
    assert all("ledger" in str(path) for path in new)


def test_no_service(service: Service) -> None:
    done = service.noghost("chat", "--url", "http://127.0.0.1:1", input="Hi\n")
    assert done.returncode == 1
    assert "no answer" in done.stderr
    assert "hint:" in done.stderr


def test_a_pipe_keeps_its_conversation_in_a_file(service: Service, tmp_path: Path) -> None:
    command = ("chat", str(tmp_path / "notes.md"), "--url", service.url, "--max-tokens", "8")
    for line in ("Who wrote Faust?\n", "And when?\n"):
        assert service.noghost(*command, input=line).returncode == 0
    turns = TranscriptFile(tmp_path / "notes.md").read().turns
    assert [turn.role for turn in turns] == ["user", "assistant", "system", "user", "assistant"]
    assert service.noghost("verify", str(tmp_path / "notes.md")).returncode == 0


def test_a_file_that_is_no_transcript(service: Service, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n")
    done = service.noghost("chat", str(tmp_path / "notes.md"), "--url", service.url, input="Hi\n")
    assert done.returncode == 1
    assert "line 1" in done.stderr
    assert (tmp_path / "notes.md").read_text() == "# Notes\n"
