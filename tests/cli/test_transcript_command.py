"""`noghost transcript`: convert, check, show, redact, as one types them."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from client.transcript.exports import CHATGPT, CLAUDE, MESSAGES
from client.transcript.made import SHORT
from noghost.cli.transcript import transcript
from noghost.client.transcript import Transcript, TranscriptError, TranscriptFile

KEYED = SHORT.replace('"seed":7}', f'"key":"{"ab" * 32}","seed":7}}')


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.md").write_text(KEYED)
    return tmp_path / "talk.md"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(transcript, arguments, catch_exceptions=False)


def test_convert_to_standard_output_and_to_a_file(talk: Path) -> None:
    result = run("convert", "talk.md", "--to", "openai")
    assert json.loads(result.stdout)["messages"][0] == {"role": "user", "content": "Hello."}
    assert result.stderr == "conversations: 1, turns: 2\n"
    assert run("convert", "talk.md").stdout_bytes == KEYED.encode()
    (talk.parent / "messages.json").write_text(json.dumps(MESSAGES))
    run("convert", "messages.json", "new.md")
    assert stat.S_IMODE(Path("new.md").stat().st_mode) == 0o600
    assert TranscriptFile("new.md").read().messages() == MESSAGES
    with pytest.raises(TranscriptError, match="there already"):
        run("convert", "talk.md", "new.md")
    assert TranscriptFile("new.md").read().messages() == MESSAGES


def test_convert_an_export_into_a_folder(talk: Path) -> None:
    Path("conversations.json").write_text(json.dumps([CLAUDE, CLAUDE]))
    with pytest.raises(TranscriptError, match="2 conversations to standard output"):
        run("convert", "conversations.json")
    result = run("convert", "conversations.json", "talks")
    day = Transcript("Conversation", "m", TranscriptFile(next(Path("talks").iterdir())).read().started).started.date()
    assert sorted(path.name for path in Path("talks").iterdir()) == [
        f"{day}-a-name-of-it-2.md",
        f"{day}-a-name-of-it.md",
    ]
    assert "left out: 2 × thinking block, 2 × tool_result block, 2 × tool_use block\n" in result.stderr
    with pytest.raises(TranscriptError, match="there already"):
        run("convert", "conversations.json", "talks")
    Path("conversations.json").write_text(json.dumps([CHATGPT]))
    run("convert", "conversations.json", "talks", "--to", "text")
    assert next(Path("talks").glob("*-cats.txt")).read_text().startswith("User: [image]\n")


def test_check(talk: Path) -> None:
    assert run("check", "talk.md").stdout == "talk.md: ok, turns: 2, receipts: 0, keys: 1\n"
    Path("bad.md").write_text(SHORT[:-6])
    Path("odd.md").write_text(SHORT.replace("7}", "-7}"))
    result = run("check", "bad.md", "odd.md", "talk.md")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("bad.md: cannot read the transcript: line 12: the turn that begins here is not closed")
    assert lines[1:] == [
        "odd.md: line 12: turn 2: seed is not a number from 0 to 4294967294",
        "talk.md: ok, turns: 2, receipts: 0, keys: 1",
    ]


def test_show(talk: Path) -> None:
    shown = run("show", "talk.md").stdout
    assert shown.splitlines()[-2:] == [" 2  assistant  2026-03-01T14:05:01.000Z  key, seed", "    Hello to you."]
    assert "abab" not in shown
    told = json.loads(run("show", "talk.md", "--json").stdout)
    assert told["turns"][1]["facts"]["seed"] == 7
    assert (told["model"], told["started"]) == ("smollm2-135m-instruct", "2026-03-01 14:05:00")


def test_redact(talk: Path) -> None:
    shown = run("redact", "talk.md", "--turn", "1").stdout
    assert "Hello." not in shown
    assert "abab" not in shown
    assert "Hello to you." in shown
    assert talk.read_text() == KEYED
    run("redact", "talk.md", "--keys", "--in-place")
    assert talk.read_text() == SHORT
    run("redact", "talk.md", "--all", "--in-place")
    assert "Hello" not in talk.read_text()


@pytest.mark.parametrize("arguments", [(), ("--turn", "3"), ("--turn", "0")])
def test_redact_says_what_it_needs(talk: Path, arguments: tuple[str, ...]) -> None:
    result = run("redact", "talk.md", *arguments, "--in-place")
    assert result.exit_code == 2
    assert talk.read_text() == KEYED


def zipped(path: str, **files: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_json", ".json"), text)


@pytest.mark.parametrize(
    "files",
    [
        {"conversations_json": json.dumps([CLAUDE, CLAUDE])},
        {
            "export__conversations-001_json": json.dumps([CHATGPT]),
            "export__conversations-000_json": json.dumps([CLAUDE]),
        },
    ],
    ids=["one", "split"],
)
def test_convert_the_zip_file_of_an_export_as_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    zipped("export.zip", user_json="{}", message_feedback_json="[1]", **files)
    assert run("convert", "export.zip", "talks").stderr.startswith("conversations: 2, turns: ")
    assert len(list(Path("talks").iterdir())) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"export.zip", "talks"}, "nothing is unpacked"


@pytest.mark.parametrize(("damage", "reason"), [(None, "has no conversations.json"), (b"x", "is damaged")])
def test_a_zip_file_without_conversations_is_refused(tmp_path: Path, damage: bytes | None, reason: str) -> None:
    path = tmp_path / "export.zip"
    zipped(str(path), **({"user_json": "{}"} if damage is None else {"conversations_json": json.dumps([CLAUDE] * 9)}))
    if damage is not None:
        whole = bytearray(path.read_bytes())
        whole[60:90] = damage * 30
        path.write_bytes(whole)
    with pytest.raises(TranscriptError, match=reason):
        run("convert", str(path), str(tmp_path / "talks"))
