"""`noghost chat` with a model that thinks: it is shown apart from the answer, and is no part of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.certificates import write_signed
from api.provider import providing
from api.test_api_upstream import options
from cli.test_chat_terminal import chat
from noghost.client.transcript import TranscriptFile
from running import Service, running
from terminal import END

ARGUMENTS = ("--model", "far/thinks", "--max-tokens", "20")
THOUGHT, ANSWER = "Let me see.", "I look twice."


@pytest.fixture(scope="module")
def thinking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of a model that thinks before it answers."""
    home = tmp_path_factory.mktemp("thinking")
    write_signed(home)
    with providing(home) as provider, running(home, *options(home, provider)) as found:
        yield found


@pytest.mark.slow
def test_what_it_thinks_is_shown_dimmed_before_the_answer_and_is_not_kept(thinking: Service, tmp_path: Path) -> None:
    with chat(thinking, tmp_path, "notes.md", *ARGUMENTS) as seen:
        seen.say("Where?")
        seen.see("kept in notes.md")
        lines = [line.strip() for line in seen.text.splitlines() if line.strip()]
        assert lines.index(THOUGHT) == lines.index(ANSWER) - 1
        assert b"\x1b[2;3m" + THOUGHT.encode() in seen.raw, "dim and italic: ECMA-48, SGR 2 and 3"
        assert b"\x1b[2;3m" + ANSWER.encode() not in seen.raw
        seen.say("/receipt")
        seen.see("question holds")
        seen.type(END)
        assert seen.ends() == 0
    assert TranscriptFile(tmp_path / "notes.md").read().turns[-1].text == ANSWER
    assert THOUGHT not in (tmp_path / "notes.md").read_text()


@pytest.mark.slow
def test_a_pipe_gets_the_answer_alone(thinking: Service) -> None:
    done = thinking.noghost("chat", "--url", thinking.url, *ARGUMENTS, input="Where?\n")
    assert (done.returncode, done.stdout) == (0, f"{ANSWER}\n")
