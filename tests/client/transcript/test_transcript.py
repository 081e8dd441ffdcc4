"""Render and parse: every transcript comes back, every file stays what it was, a malformed one says where."""

from __future__ import annotations

import copy
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import noghost
from client.transcript.made import SHORT, STARTED, TEXTS, TRANSCRIPTS, TURNS
from noghost.client.transcript import Transcript, TranscriptError, Turn
from noghost.client.transcript import lines as lines_of
from noghost.client.transcript import turn as turn_of


@pytest.mark.slow
@given(TRANSCRIPTS)
def test_every_list_of_turns_survives(transcript: Transcript) -> None:
    text = transcript.render()
    again = Transcript.parse(text)
    assert again == transcript
    assert again.newline == transcript.newline
    assert again.render() == text


@pytest.mark.slow
@given(TRANSCRIPTS, TURNS)
def test_a_turn_more_leaves_every_byte_before_it(transcript: Transcript, turn: Turn) -> None:
    text = transcript.render()
    again = Transcript.parse(text)
    again.append(turn.role, turn.text, turn.facts)
    assert again.render().startswith(text)
    assert Transcript.parse(again.render()).turns == [*transcript.turns, turn]


@pytest.mark.slow
@given(TRANSCRIPTS.filter(lambda made: len(made.turns) > 1), st.data(), TEXTS)
def test_a_changed_turn_leaves_the_others(transcript: Transcript, data: st.DataObject, text: str) -> None:
    again = Transcript.parse(transcript.render())
    at = data.draw(st.integers(0, len(again.turns) - 1))
    again.turns[at].text = text
    changed = Transcript.parse(again.render())
    assert changed.turns[at].text == text
    assert [turn.render(again.newline) for i, turn in enumerate(changed.turns) if i != at] == [
        turn.render(again.newline) for i, turn in enumerate(transcript.turns) if i != at
    ]


@given(TEXTS)
def test_unescape_undoes_escape(text: str) -> None:
    assert lines_of.unescape(lines_of.escape(text)) == text


@pytest.mark.parametrize("name", ["escape", "unescape", "is_blank"])
def test_a_mutant_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transcripts that hypothesis makes are hostile enough: without one of the three, one of them is lost."""
    monkeypatch.setattr(turn_of, name, (lambda line: False) if name == "is_blank" else (lambda text: text))
    find(TRANSCRIPTS, is_lost, settings=settings(max_examples=5000, phases=[Phase.generate], database=None))


def is_lost(transcript: Transcript) -> bool:
    """Whether it does not come back."""
    try:
        return Transcript.parse(transcript.render()) != transcript
    except TranscriptError:
        return True


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n", "\r\n"),
        ("# Conv", "\ufeff# Conv"),
        ("# Conversation", "# Voice Conversation"),
        ("\n\n---\n\n", "\n---\n"),
        ("\n\n---\n\n", "\n \n\n---  \n\n\n"),
        ("**USER:**\n\nHello.", "**USER:**\nHello."),
        ("**USER:**\n", "**USER:** \t\n"),
        ("Hello.", "a\n---\nb\n\n---\n\n**NOTE:**\n\n**USER:**\n\n- - -"),
        ("Hello.", "<!-- a comment -->\n\n    <!-- noghost: {} -->"),
        ('{"began', '{ "zebra": 1.50, "began'),
        ('{"began"', '{"began" that is no JSON'),
        ("} -->", "} -->\n\n\n"),
        ("**ASSISTANT:**", "**SYSTEM:**"),
    ],
)
def test_a_file_of_another_program_stays_what_it_is(old: str, new: str) -> None:
    text = SHORT.replace(old, new)
    assert text != SHORT
    for whole in (text, text.rstrip()):
        transcript = Transcript.parse(whole)
        assert len(transcript.turns) == 2
        assert transcript.render() == whole
        transcript.append("user", "More.")
        assert transcript.render().startswith(whole)
        assert Transcript.parse(transcript.render()).turns == transcript.turns


def test_line_ends_of_a_file_are_not_those_of_its_texts() -> None:
    text = SHORT.replace("Hello.", "a\nb\r").replace("\n", "\r\n")
    transcript = Transcript.parse(text)
    assert transcript.turns[0].text == "a\nb\r"
    transcript.append("user", "c\nd\r\ne")
    assert transcript.render().endswith("**USER:**\r\n\r\nc\r\nd\r\r\ne\r\n\r\n---\r\n\r\n")
    assert Transcript.parse(transcript.render()).turns[-1].text == "c\nd\r\ne"


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        (SHORT, "", 1, "no title"),
        ("# Conversation: ", "# Talk: ", 1, "no title"),
        ("# Conversation: smollm2-135m-instruct", "# Conversation: ", 1, "no title"),
        ("*2026-03-01 14:05:00*\n\n", "", 2, "time"),
        ("2026-03-01", "2026-02-30", 2, "time"),
        ("05:00*\n\n---", "05:00*\n\nand\n\n---", 4, "head is not closed"),
        ("05:00*\n\n---\n\n**USER:**\n\n", "05:00*\n\n---\n\n**NOTE:**\n\n", 6, "no turn begins here"),
        ("**USER:**\n\nHello", "**USER:** Hello", 6, "no turn begins here"),
        ("-->\n\n---", "-->", 12, "not closed"),
        ("-->\n\n---", "-->\n\n----", 12, "not closed"),
    ],
)
def test_a_malformed_file_says_where_and_why(old: str, new: str, line: int, reason: str) -> None:
    assert old in SHORT
    with pytest.raises(TranscriptError, match=reason) as caught:
        Transcript.parse(SHORT.replace(old, new))
    assert caught.value.line == line
    assert f"line {line}: " in caught.value.message
    assert "Hello" not in str(caught.value)


@pytest.mark.slow
@given(
    st.text()
    | TRANSCRIPTS.map(Transcript.render).flatmap(lambda text: st.integers(0, len(text)).map(lambda n: text[:n]))
)
def test_any_text_is_a_transcript_or_an_error(text: str) -> None:
    try:
        again = Transcript.parse(text).render()
    except TranscriptError as error:
        line = error.line
    else:
        assert again == text
        line = 1
    assert 1 <= line <= text.count("\n") + 2, "at most the one that is missing"


def test_a_comment_that_is_no_object_is_kept_until_there_are_facts() -> None:
    for bad in ("[1]", "{", '{"a":1,"a":2}', '{"a":NaN}', "[" * 100_000):
        turn = Transcript.parse(SHORT.replace('{"began":"2026-03-01T14:05:01.000Z","seed":7}', bad)).turns[1]
        assert (turn.text, turn.facts, turn.unread) == ("Hello to you.", {}, bad)
        turn.text = "Changed."
        assert f"\n\nChanged.\n\n<!-- noghost: {bad} -->\n\n---\n\n" in turn.render()
        turn.facts["seed"] = 8
        assert turn.render().endswith('Changed.\n\n<!-- noghost: {"seed":8} -->\n\n---\n\n')


def test_facts_are_one_line_that_cannot_be_ended() -> None:
    turn = Turn("user", "", {"b": "--> -- ---\n<!--\u2028", "a": [1]})
    comment = turn.render().splitlines()[4]
    assert comment.startswith('<!-- noghost: {"a":[1],"b":"')
    assert comment.isascii()
    assert comment[4:-3].count("--") == 0
    assert Turn.read(turn.render()) == turn


@pytest.mark.parametrize("facts", [{"capsule": "x"}, {"a": float("nan")}, {"a": b"x"}, {"a": {1, 2}}])
def test_what_facts_cannot_be_is_refused(facts: dict[str, object]) -> None:
    with pytest.raises(TranscriptError, match="cannot write the turn"):
        Turn("user", "x", facts).render()


def test_nothing_said_is_in_a_repr() -> None:
    transcript = Transcript("Conversation", "m", STARTED, [Turn("user", "marker", {"key": "marker"}, "marker")])
    assert "marker" not in repr(transcript)
    assert "marker" not in repr(Transcript.parse(transcript.render()))


@pytest.mark.parametrize("model", ["", " a", "a ", "a\nb", "a\n---"])
def test_a_model_that_does_not_fit_a_title_is_refused(model: str) -> None:
    with pytest.raises(TranscriptError, match="title"):
        Transcript("Conversation", model, STARTED).render()


def test_a_time_with_a_zone_is_told_by_the_clock_of_this_machine() -> None:
    moment = datetime(2026, 3, 1, 14, 5, 6, 700_000, UTC)
    assert Transcript("Conversation", "m", moment).started == moment.astimezone().replace(tzinfo=None, microsecond=0)


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(TranscriptError, match="role"):
        Turn("narrator", "x")


def test_messages_and_back() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi\n\n---\n\n**USER:**", "name": "a"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "4", "tool_call_id": "c1"},
        {"role": "assistant", "content": "", "reasoning_content": "hm"},
    ]
    transcript = Transcript.from_messages(copy.deepcopy(messages), model="m")
    assert [turn.role for turn in transcript.turns] == ["system", "user", "assistant", "tool", "assistant"]
    assert Transcript.parse(transcript.render()).messages() == messages
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert Transcript.from_messages([parts], model="m").messages() == [{"role": "user", "content": "ab"}]


def test_a_fact_cannot_change_who_speaks_or_what() -> None:
    turn = Turn("user", "Hi", {"message": {"role": "system", "content": "no", "name": "a"}})
    assert Transcript("Conversation", "m", STARTED, [turn]).messages() == [
        {"role": "user", "content": "Hi", "name": "a"}
    ]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"role": 1},
        {"role": "narrator"},
        {"role": "user", "content": 7},
        {"role": "user", "content": [{"type": "image_url"}]},
    ],
)
def test_a_message_that_is_none_is_refused_by_its_number(message: dict[str, object]) -> None:
    with pytest.raises(TranscriptError, match="message 2"):
        Transcript.from_messages([{"role": "user", "content": "x"}, message], model="m")


def test_the_package_gives_it_and_imports_nothing_for_it() -> None:
    assert noghost.Transcript is Transcript
    with pytest.raises(AttributeError, match="Nothing"):
        _ = noghost.Nothing  # type: ignore[attr-defined]
    code = (
        "import sys, noghost; assert 'noghost.client' not in sys.modules; noghost.Transcript;"
        "heavy = {'httpx', 'click', 'cryptography', 'pydantic', 'llama_cpp', 'numpy', 'asyncio'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
