"""Redacting takes out what says something, and what a guess could be checked with; checking names what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from client.transcript.made import SHORT, STARTED
from noghost.client.transcript import Transcript, Turn
from noghost.client.transcript.check import Problem, problems
from noghost.client.transcript.redact import MARK, drop_keys, redact

RECEIPTS = Path(__file__).parents[2] / "vectors" / "receipt-v1" / "good"
RECEIPT = (RECEIPTS / "closed.txt").read_text()
WITH_SEED = (RECEIPTS / "opened.txt").read_text()
KEY = "ab" * 32
HARMLESS: dict[str, Any] = {
    "began": "2026-03-01T14:05:01.000Z",
    "ended": "2026-03-01T14:05:02.000Z",
    "instance": "0" * 31 + "1",
    "model": "m",
    "receipt": RECEIPT,
}
TELLING = {"seed": 7, "options": {"stop": "marker"}, "key": KEY, "message": {"name": "marker"}, "other": "marker"}


def conversation() -> Transcript:
    """Four turns, read from a file; each says the marker with its number, and everything that can be known of it."""
    turns = [Turn(("user", "assistant")[number % 2], f"marker {number + 1}", HARMLESS | TELLING) for number in range(4)]
    return Transcript.parse(Transcript("Conversation", "m", STARTED, turns).render())


def test_a_turn_is_taken_out_with_all_that_tells_of_it() -> None:
    transcript = conversation()
    before = transcript.turns[0].source
    redact(transcript, {2})
    text = transcript.render()
    assert before in text
    again = Transcript.parse(text).turns
    assert (again[1].role, again[1].text, again[1].facts) == ("assistant", MARK, HARMLESS)
    assert [turn.text for turn in again] == ["marker 1", MARK, "marker 3", "marker 4"]
    assert ["key" in turn.facts for turn in again] == [True, False, False, False]
    assert again[2].facts == HARMLESS | {name: value for name, value in TELLING.items() if name != "key"}


def test_all_turns_leave_nothing_that_was_said() -> None:
    transcript = conversation()
    assert "marker" in transcript.render(), "positive control"
    redact(transcript, range(1, 5))
    text = transcript.render()
    assert "marker" not in text
    assert KEY not in text
    assert [turn.role for turn in Transcript.parse(text).turns] == ["user", "assistant", "user", "assistant"]


def test_a_receipt_with_a_seed_goes_with_its_turn() -> None:
    assert "\nseed 4294967294\n" in WITH_SEED
    turn = Turn("assistant", "x", {"receipt": WITH_SEED})
    redact(Transcript("Conversation", "m", STARTED, [turn]), {1})
    assert turn.facts == {}


def test_comments_that_cannot_be_read_go_as_well() -> None:
    text = SHORT.replace('{"began":"2026-03-01T14:05:01.000Z","seed":7}', f'{{"key":"{KEY}"')
    for number in (1, 2):
        transcript = Transcript.parse(text)
        assert KEY in transcript.render(), "positive control"
        redact(transcript, {number})
        assert KEY not in transcript.render()


def test_keys_alone() -> None:
    transcript = conversation()
    drop_keys(transcript)
    again = Transcript.parse(transcript.render()).turns
    assert [turn.text for turn in again] == [f"marker {n}" for n in range(1, 5)]
    assert all("key" not in turn.facts and turn.facts["seed"] == 7 for turn in again)


def test_what_is_as_it_should_be_has_no_problem() -> None:
    assert list(problems(conversation())) == []
    assert list(problems(Transcript.parse(SHORT))) == []


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"began": "2026-03-01T14:05:01Z"}, "began is not"),
        ({"began": "2026-02-30T14:05:01.000Z"}, "began is not"),
        ({"ended": 7}, "ended is not"),
        ({"began": "2026-03-01T14:05:01.000Z", "ended": "2026-03-01T14:05:00.999Z"}, "ended before it began"),
        ({"instance": "0" * 31 + "A"}, "instance is not"),
        ({"model": None}, "model is not"),
        ({"seed": True}, "seed is not"),
        ({"seed": 2**32 - 1}, "seed is not"),
        ({"options": []}, "options is not"),
        ({"key": KEY[1:]}, "key is not"),
        ({"receipt": RECEIPT.replace("/v1", "/v2")}, "receipt is not"),
        ({"message": {"content": "x"}}, "message is not"),
        ({"message": {"role": "developer"}}, "role of another"),
        ({"capsule": "x"}, "a capsule does not belong"),
    ],
)
def test_a_fact_that_is_not_what_it_should_be_is_named(facts: dict[str, Any], reason: str) -> None:
    """With the line of its turn; the turn reads, and the file stays what it is."""
    text = SHORT.replace('{"began":"2026-03-01T14:05:01.000Z","seed":7}', json.dumps(facts))
    transcript = Transcript.parse(text)
    [problem] = problems(transcript)
    assert problem[:2] == (2, 12)
    assert reason in problem.reason
    assert transcript.turns[1].text == "Hello to you."
    assert transcript.render() == text


def test_facts_that_are_none_are_named() -> None:
    transcript = Transcript.parse(SHORT.replace('"seed":7}', '"seed":7'))
    assert list(problems(transcript)) == [Problem(2, 12, "its facts are no JSON object with each name once")]
