"""`noghost chat` in a real pseudo-terminal, against real services: what a person sees, and what is left of it."""

from __future__ import annotations

import ast
import ctypes
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from noghost.client.transcript import Transcript, TranscriptFile, Turn
from noghost.client.transcript.facts import stamp
from running import Service, running, wait_for
from terminal import END, ENTER, NEW_LINE, STOP, Terminal, noghost, terminal, watched

SOURCE = Path(__file__).parents[2] / "src"
LIBRARIES = {"prompt_toolkit", "rich", "markdown_it", "pygments"}
WHO_MAY = {f"noghost.client.chat.{name}" for name in ("editor", "markdown", "screen")} | {"noghost.client.talk.screen"}
READY = "/help"  # the bottom line's last word
IN_WRITE = 0x2 | 0x8 | 0x80 | 0x100 | 0x200  # modify, close after writing, moved here, create, delete: inotify(7)
PAGES = 16


@contextmanager
def chat(service: Service, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Terminal]:
    """Ready for the first words."""
    command = noghost("chat", "--url", service.url, "--temperature", "0", *arguments)
    with terminal(command, env or service.env, folder) as found:
        found.see(lambda: READY in found.text.splitlines()[-1])
        yield found


def answered(seen: Terminal, count: int = 1) -> None:
    """So many prompts are there, the last one empty."""
    seen.see(lambda: len(re.findall("^›", seen.text, re.MULTILINE)) == count + 1 and not seen.editor)


def earlier(path: Path, *turns: Turn, model: str = "smollm2-135m-instruct") -> None:
    """A transcript whose last turn ended three days and two hours ago."""
    facts = {"ended": stamp(datetime.now(UTC) - timedelta(days=3, hours=2, minutes=1))}
    whole = [*(turns or (Turn("user", "Hello!"),)), Turn("assistant", "Hello to **you**.", facts)]
    TranscriptFile(path).create(Transcript("Conversation", model, datetime.now(UTC), whole))


def test_a_conversation_of_several_lines_is_kept_as_it_was_said(service: Service, tmp_path: Path) -> None:
    with chat(service, tmp_path, "notes.md", "--max-tokens", "8", "--facts") as seen:
        seen.say(f"Who wrote Faust?{NEW_LINE}And when?")
        seen.see("kept in notes.md")
        seen.see("first_token_ms")
        answered(seen)
        seen.say("/receipt")
        seen.see("answer   holds")
        assert "question holds" in seen.text
        assert "wipe verified" in seen.text
        seen.see(
            lambda: re.search(
                r"told +ended [0-9.]+ ms after the knock, wiped [0-9.]+ ms\s+\([0-9]+ pages\), verified", seen.text
            )
        )
        seen.say("/export notes.json")
        seen.see("written: notes.json")
        seen.type(END)
        assert seen.ends() == 0
    kept = TranscriptFile(tmp_path / "notes.md").read()
    assert kept.turns[0].text == "Who wrote Faust?\nAnd when?"
    assert json.loads((tmp_path / "notes.json").read_text())["messages"] == kept.messages()


def test_ctrl_c_ends_the_answer_and_its_instance_and_keeps_the_words(service: Service, tmp_path: Path) -> None:
    with chat(service, tmp_path, "notes.md", "--max-tokens", "4000") as seen:
        seen.say("Tell me a very long story about the sea.")
        seen.see(lambda: len(seen.text.split()) > 40)
        assert service.instances(), "it is there before"
        seen.type(" Typed ahead.")
        seen.type(STOP)
        wait_for(lambda: not service.instances(), 10, "the end of the instance")
        seen.see("its instance with it")
        seen.see(lambda: "sea. Typed ahead." in seen.editor)
        seen.type(STOP)
        seen.see(lambda: not seen.editor)
        seen.type("\x1b[A")
        seen.see(lambda: "sea. Typed ahead." in seen.editor, 10)
    assert not (tmp_path / "notes.md").exists()


def test_edit_retry_branch_model_system_capsule(service: Service, tmp_path: Path) -> None:
    with chat(service, tmp_path, "notes.md", "--max-tokens", "8") as seen:
        seen.say("Who wrote Faust?")
        answered(seen)
        seen.say("/edit")
        seen.see(lambda: seen.editor == "Who wrote Faust?")
        seen.say(" And when?")
        seen.see("kept in notes-2.md")
        seen.say("/retry 7")
        seen.see("kept in notes-3.md")
        seen.say("/branch 1")
        seen.see("1: 1 question, notes.md  (here)")
        seen.say("/model")
        seen.see("smollm2-135m-instruct  (asked)")
        seen.say("/model none")
        seen.see("the service has no model none")
        seen.see(lambda: seen.editor == "/model none")
        seen.type(STOP)
        seen.say("/system You are a sailor.")
        seen.see("told first: You are a sailor.")
        seen.say("/capsule")
        seen.see("capsule")
        seen.say("/nothing")
        seen.see("there is no command /nothing")
    assert TranscriptFile(tmp_path / "notes-2.md").read().turns[0].text == "Who wrote Faust? And when?"
    assert TranscriptFile(tmp_path / "notes-3.md").read().turns[1].facts["seed"] == 7


def test_a_resumed_file_shows_its_last_turns_and_the_gap_and_tells_it(service: Service, tmp_path: Path) -> None:
    earlier(tmp_path / "notes.md")
    with chat(service, tmp_path, "notes.md", "--max-tokens", "8") as seen:
        assert "› Hello!" in seen.text
        assert "Hello to you." in seen.text
        assert re.search(r"─ nothing for 3 days and 2 hours, since ....-..-.. ..:.. ─", seen.text)
        seen.say("How long was I away?")
        answered(seen, 2)
        assert "told: It is " in seen.text
    kept = TranscriptFile(tmp_path / "notes.md").read().turns
    assert [turn.role for turn in kept[2:]] == ["system", "user", "assistant"]
    assert "ended 3 days and 2 hours ago" in kept[2].text


def test_no_gap_is_shown_and_not_told(service: Service, tmp_path: Path) -> None:
    earlier(tmp_path / "notes.md")
    with chat(service, tmp_path, "notes.md", "--max-tokens", "8", "--no-gap") as seen:
        assert "nothing for 3 days" in seen.text
        seen.say("How long was I away?")
        answered(seen, 2)
        assert "told:" not in seen.text
    assert len(TranscriptFile(tmp_path / "notes.md").read().turns) == 4


def test_a_model_that_is_not_there_is_told_with_those_that_are(service: Service, tmp_path: Path) -> None:
    earlier(tmp_path / "notes.md", model="gone-9b")
    with chat(service, tmp_path, "notes.md") as seen:
        assert "the model gone-9b, which this service has not" in seen.text
        assert "it has: smollm2-135m-instruct" in seen.text


def test_no_control_character_of_a_file_reaches_the_terminal(service: Service, tmp_path: Path) -> None:
    earlier(tmp_path / "notes.md", Turn("user", "a\x1b]0;owned\x07b"), Turn("assistant", "c\x1b[2Jd \x9b2Je"))
    with chat(service, tmp_path, "notes.md") as seen:
        assert "␛]0;owned" in seen.text
        assert "c␛[2Jd" in seen.text
    assert b"\x1b]0;owned" not in seen.raw
    assert b"\x1b[2J" not in seen.raw.replace(b"\x1b[2J\x1b[H", b"")


@pytest.mark.slow
def test_two_chats_on_one_file(service: Service, tmp_path: Path) -> None:
    earlier(tmp_path / "notes.md")
    with (
        chat(service, tmp_path, "notes.md", "--max-tokens", "8") as seen,
        chat(service, tmp_path, "notes.md", "--max-tokens", "8") as other,
    ):
        other.say("Who wrote Hamlet?")
        answered(other, 2)
        seen.say("Who wrote Faust?")
        seen.see("notes.md was changed by somebody else: the conversation is what stands in it now")
        answered(seen, 2)
    asked = [turn.text for turn in TranscriptFile(tmp_path / "notes.md").read().turns if turn.role == "user"]
    assert asked == ["Hello!", "Who wrote Hamlet?", "Who wrote Faust?"]


@pytest.mark.slow
def test_a_service_that_goes_in_the_middle_and_comes_back(tmp_path: Path) -> None:
    with running(tmp_path / "first") as service:
        port = str(service.port)
        with chat(service, tmp_path, "notes.md", "--max-tokens", "2000") as seen:
            seen.say("Tell me a very long story about the sea.")
            seen.see(lambda: len(seen.text.split()) > 40)
            service.process.send_signal(signal.SIGKILL)
            seen.see("the service broke off its answer")
            seen.see(lambda: "about the sea." in seen.editor)
            seen.type(ENTER)
            seen.see("no answer from http://127.0.0.1:")
            seen.see(lambda: "about the sea." in seen.editor)
            with running(tmp_path / "second", "--port", port):
                seen.type(ENTER)
                seen.see(lambda: len(seen.text.split("hint:")[-1].split()) > 30)
                seen.type(STOP)
                seen.see("its instance with it")


@pytest.mark.slow
def test_hunt(service: Service, tmp_path: Path) -> None:
    with chat(service, tmp_path) as seen:
        seen.say("/hunt")
        seen.see("hunt: 0 copies in 0 places")
        assert re.search(r"searched [2-9] processes", seen.text)


# --- what is left on the disk -----------------------------------------------------------------------------------


@contextmanager
def watching(folder: Path) -> Iterator[set[str]]:
    """The names of files that anybody writes, makes, moves or removes below the folder: what inotify(7) tells."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert descriptor >= 0
    for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        assert libc.inotify_add_watch(descriptor, os.fsencode(place), IN_WRITE) >= 0
    names: set[str] = set()
    try:
        yield names
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            while data := file.read(4096 * PAGES):
                names |= set(re.findall(r"[\w.~-]{3,}", data.decode("latin-1")))
    finally:
        os.close(descriptor)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("notes.md",)])
def test_nothing_is_written_but_the_file(service: Service, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    env = watched(service.env, tmp_path)
    with watching(tmp_path) as written, chat(service, tmp_path, *arguments, "--max-tokens", "8", env=env) as seen:
        seen.say("Who wrote Faust?")
        answered(seen)
        seen.say("/retry")
        answered(seen, 3)
        seen.say("/receipt")
        seen.see("wipe verified")
        seen.type(END)
        assert seen.ends() == 0
    assert {name for name in written if not name.startswith(".notes")} == (
        {"notes.md", "notes-2.md"} if arguments else set()
    )


# --- where the libraries are ------------------------------------------------------------------------------------


def test_only_the_terminal_imports_what_draws_it() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] in LIBRARIES for name in names):
                found.add(".".join(path.relative_to(SOURCE).with_suffix("").parts))
    assert found == WHO_MAY


def test_without_them_it_is_a_plain_conversation(service: Service, tmp_path: Path) -> None:
    code = "import sys; sys.modules['rich'] = None; from noghost.cli.main import main; main()"
    command = [sys.executable, "-c", code, "chat", "--url", service.url, "--max-tokens", "8"]
    with terminal(command, service.env, tmp_path) as seen:
        seen.see("pip install 'noghost[chat]'")
        seen.see("\n>")
        seen.say("Who wrote Faust?")
        seen.see(lambda: seen.text.count("\n>") == 2)
        seen.type(END)
        assert seen.ends() == 0
