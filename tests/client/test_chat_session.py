"""A conversation with branches, files and gaps, against a real service of two models; no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fuzz.tiny_kinds import glm
from noghost.client.chat.evidence import hunted, shown
from noghost.client.chat.gap import told
from noghost.client.chat.session import Session
from noghost.client.conversation import Conversation, RefusedError
from noghost.client.transcript import Transcript, TranscriptError, TranscriptFile, Turn
from noghost.client.transcript.facts import stamp
from noghost.errors import ConfigError, HuntError, LedgerError
from running import Service, running

pytestmark = pytest.mark.slow

STRICT = b"""\
{% for message in messages %}{% if message.role == 'system' and not loop.first %}
{{ raise_exception('System message must be at the beginning.') }}{% endif %}{{ message.content }}
{% endfor %}"""
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The default one, and `strict`, which takes a system message at the beginning alone."""
    home: Path = tmp_path_factory.mktemp("two")
    (home / "strict.gguf").write_bytes(glm(STRICT).render())
    with running(home, "--model", "default", "--model", str(home / "strict.gguf"), "--context", "2048") as found:
        yield found


class Clock:
    """Stands still until it is set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def session(service: Service, **options: Any) -> Session:
    talk = Conversation(service.url, temperature=0, max_tokens=8)
    return Session(talk, **({"clock": Clock()} | options))


def said(one: Session, text: str, seed: int | None = None) -> str:
    answer = "".join(one.ask(text, seed))
    assert one.save() == ""
    return answer


def roles(turns: list[Turn]) -> list[str]:
    return [turn.role for turn in turns]


def earlier(path: Path, model: str = "smollm2-135m-instruct", **facts: Any) -> None:
    """A transcript whose last turn ended three days and four hours before NOW."""
    facts = {"ended": stamp(NOW - timedelta(days=3, hours=4))} | facts
    turns = [Turn("user", "Hello!"), Turn("assistant", "Hello to you.", facts)]
    TranscriptFile(path).create(Transcript("Conversation", model, NOW, turns))


def test_the_line_for_the_instance_is_one_line_with_time_and_gap() -> None:
    line = told(NOW - timedelta(days=3, hours=4), NOW)
    assert "\n" not in line
    assert "5 March 2026" in line
    assert "ended 3 days and 4 hours ago" in line


def test_turns_are_kept_with_what_proves_them(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    one = session(service, path=path, system="You are brief.")
    said(one, "Who wrote Faust?")
    said(one, "When?")
    kept = TranscriptFile(path).read()
    assert roles(kept.turns) == ["system", "user", "assistant", "user", "assistant"]
    assert kept.messages() == one.transcript().messages()
    assert kept.model == "smollm2-135m-instruct"
    assert kept.turns[4].facts["instance"] != kept.turns[2].facts["instance"]
    for number in (1, 2):
        words = shown(one, number)
        assert "wipe verified" in words
        assert words.endswith("question holds\n  answer   holds")
    one.turns[1].text += "!"
    assert "question broken\n  answer   holds" in shown(one, 1)
    one.turns[2].facts["key"] = "none"
    assert "question not checked\n  answer   not checked" in shown(one, 1)
    one.turns[2].facts["receipt"] += "!"
    with pytest.raises(LedgerError, match="receipt"):
        shown(one, 1)


def test_a_stopped_answer_is_no_turn(service: Service, tmp_path: Path) -> None:
    one = session(service, path=tmp_path / "notes.md")
    one.talk.options["max_tokens"] = 500
    pieces = one.ask("Tell me a long story.")
    assert next(pieces)
    pieces.close()
    assert one.turns == []
    assert one.save() == ""
    assert not one.path.exists()


def test_a_resumed_conversation_knows_the_gap_and_tells_it_once(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    earlier(path)
    one = session(service, path=path)
    assert one.gap().startswith("nothing for 3 days and 4 hours, since 2026-03-0")
    said(one, "How long was I away?")
    said(one, "Thank you.")
    assert roles(one.turns[2:]) == ["system", "user", "assistant", "user", "assistant"]
    assert one.turns[2].text == told(NOW - timedelta(days=3, hours=4), NOW)
    assert one.take_back(2) == "How long was I away?"
    assert roles(one.turns) == ["user", "assistant"], "the line goes with its question"
    assert one.to_tell(), "and comes with it again"


def test_without_the_gap_nothing_is_told(service: Service, tmp_path: Path) -> None:
    earlier(tmp_path / "notes.md")
    one = session(service, path=tmp_path / "notes.md", tells_gap=False)
    said(one, "How long was I away?")
    assert roles(one.turns[2:]) == ["user", "assistant"]


def test_a_long_silence_between_turns_is_told_and_a_short_one_is_not(service: Service) -> None:
    clock = Clock()
    one = session(service, clock=clock)
    said(one, "Hello!")
    clock.now += timedelta(minutes=4)
    assert (one.is_long(), one.to_tell()) == (False, "")
    clock.now += timedelta(minutes=2)
    assert one.is_long()
    assert "ended 6 minutes ago" in one.to_tell()


def test_a_file_without_times_has_no_gap(service: Service, tmp_path: Path) -> None:
    earlier(tmp_path / "notes.md", ended="yesterday")
    one = session(service, path=tmp_path / "notes.md")
    assert (one.gap(), one.to_tell()) == ("", "")


def test_edits_and_other_seeds_are_branches_with_files_of_their_own(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    one = session(service, path=path)
    said(one, "Who wrote Faust?")
    said(one, "When?")
    first = path.read_bytes()
    assert one.take_back(1) == "Who wrote Faust?"
    said(one, "Who wrote Hamlet?")
    again = one.take_back()
    said(one, again, seed=7)
    assert path.read_bytes() == first
    assert [branch.path.name for branch in one.branches if branch.path] == ["notes.md", "notes-2.md", "notes-3.md"]
    assert TranscriptFile(tmp_path / "notes-3.md").read().turns[1].facts["seed"] == 7
    one.switch(1)
    said(one, "And where?")
    assert len(TranscriptFile(path).read().turns) == 6
    for wrong in (0, 4):
        with pytest.raises(ConfigError, match="no branch"):
            one.switch(wrong)


def test_another_system_prompt_is_a_branch_whose_answers_prove_nothing(service: Service, tmp_path: Path) -> None:
    one = session(service, path=tmp_path / "notes.md", system="You are brief.")
    one.set_system("You are a sailor.")
    assert len(one.branches) == 1, "nothing was said yet"
    said(one, "Who are you?")
    one.set_system("You are a cook.")
    assert len(one.branches) == 2
    assert (one.system, roles(one.turns)) == ("You are a cook.", ["system", "user", "assistant"])
    assert "receipt" not in one.turns[2].facts
    with pytest.raises(ConfigError, match="no receipt"):
        shown(one, 1)
    one.set_system("")
    assert roles(one.turns) == ["user", "assistant"]


def test_a_change_by_somebody_else_is_taken_over_before_a_question(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    one, other = session(service, path=path), session(service, path=path)
    said(one, "Who wrote Faust?")
    assert one.refresh() == ""
    assert "".join(other.ask("Who wrote Hamlet?"))
    assert "is in " in other.save(), "it began when there was no file"
    text = path.read_text("utf-8").replace("Faust", "Macbeth")
    path.write_text(text, "utf-8")
    assert "changed by somebody else" in one.refresh()
    assert one.turns[0].text == "Who wrote Macbeth?"
    path.write_text("no transcript", "utf-8")
    with pytest.raises(TranscriptError):
        one.refresh()
    assert one.turns[0].text == "Who wrote Macbeth?"
    path.unlink()
    assert "is gone" in one.refresh()
    said(one, "And when?")
    assert len(TranscriptFile(path).read().turns) == 4


def test_a_change_during_an_answer_loses_neither(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    earlier(path)
    one, other = session(service, path=path), session(service, path=path)
    pieces = one.ask("Who wrote Faust?")
    assert next(pieces)
    said(other, "Who wrote Hamlet?")
    list(pieces)
    assert one.save().endswith(f"all of the conversation is in {tmp_path / 'notes-2.md'} now, and goes on there")
    assert [turn.text for turn in TranscriptFile(path).read().turns if turn.role == "user"][1] == "Who wrote Hamlet?"
    second = TranscriptFile(tmp_path / "notes-2.md").read()
    assert [turn.text for turn in second.turns if turn.role == "user"] == ["Hello!", "Who wrote Faust?"]


def test_what_cannot_be_written_stays_in_memory_and_is_tried_again(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    one = session(service, path=folder / "notes.md")
    folder.rmdir()
    assert "".join(one.ask("Who wrote Faust?"))
    assert "in memory alone" in one.save()
    folder.mkdir()
    assert one.save() == ""
    assert len(TranscriptFile(folder / "notes.md").read().turns) == 2


def test_a_question_without_an_answer_is_answered_where_it_stands(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    TranscriptFile(path).create(Transcript("Conversation", "x", NOW, [Turn("user", "Who wrote Faust?")]))
    one = session(service, path=path)
    said(one, one.unanswered())
    assert roles(TranscriptFile(path).read().turns) == ["user", "assistant"]


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("strict", "strict", None),
        ("default", "smollm2-135m-instruct", None),
        ("gone-9b", "smollm2-135m-instruct", "smollm2-135m-instruct, strict"),
    ],
)
def test_the_model_of_the_file_is_asked_where_it_is_there(
    two_models: Service, tmp_path: Path, name: str, asked: str, told: str | None
) -> None:
    earlier(tmp_path / "notes.md", model=name)
    one = session(two_models, path=tmp_path / "notes.md")
    found = one.choose_model()
    assert one.model == asked
    assert (found is None) == (told is None)
    if found and told:
        assert name in found[0]
        assert told in found[1]


def test_a_model_that_takes_no_system_line_in_between_is_told_in_the_question(
    two_models: Service, tmp_path: Path
) -> None:
    path = tmp_path / "notes.md"
    earlier(path)
    one = session(two_models, path=path)
    said(one, "How long was I away?")
    one.model = "strict"
    said(one, "And you?")
    assert len(one.branches) == 2
    assert roles(one.turns) == ["user", "assistant"] * 3
    assert one.turns[2].text == f"{told(NOW - timedelta(days=3, hours=4), NOW)}\n\nHow long was I away?"
    assert shown(one, 3).endswith("question holds\n  answer   holds")


def test_a_refusal_that_is_not_about_the_line_stays_one(two_models: Service, tmp_path: Path) -> None:
    earlier(tmp_path / "notes.md")
    one = session(two_models, path=tmp_path / "notes.md")
    with pytest.raises(RefusedError) as caught:
        list(one.ask("word " * 4000))
    assert caught.value.status == 400
    assert len(one.turns) == 2


def test_files_that_cannot_be_gone_on_with(service: Service, tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Notes\n", "utf-8")
    with pytest.raises(TranscriptError, match="line 1"):
        session(service, path=tmp_path / "other.md")
    assert (tmp_path / "other.md").read_text("utf-8") == "# Notes\n"
    with pytest.raises(ConfigError, match="no folder"):
        session(service, path=tmp_path / "none" / "notes.md")
    earlier(tmp_path / "notes.md")
    with pytest.raises(ConfigError, match="has begun"):
        session(service, path=tmp_path / "notes.md", system="Be brief.")


def test_nothing_asked_nothing_to_take_back(service: Service) -> None:
    one = session(service)
    with pytest.raises(ConfigError, match="nothing was asked"):
        one.take_back()
    with pytest.raises(ConfigError, match="no such answer"):
        shown(one, None)
    said(one, "Hello \ud800!")
    assert one.turns[0].text == "Hello ?!"
    with pytest.raises(ConfigError, match="no question 2"):
        one.take_back(2)


def test_no_turn_is_in_a_repr(service: Service) -> None:
    one = session(service, system="You are Fridolin.")
    said(one, "Hello, Fridolin!")
    assert "Fridolin" not in repr(one.branch) + repr(one) + repr(one.talk) + repr(one.turns)


def test_another_machine_is_not_hunted_in() -> None:
    with pytest.raises(HuntError, match="another machine"):
        hunted(Session(Conversation("http://192.0.2.1:8462")))


def test_no_service(tmp_path: Path) -> None:
    one = Session(Conversation("http://127.0.0.1:1"), path=tmp_path / "notes.md")
    with pytest.raises(HuntError, match="no answer from http:"):
        one.choose_model()
    with pytest.raises(HuntError, match="no answer"):
        list(one.ask("Hello!"))
    assert one.turns == []
