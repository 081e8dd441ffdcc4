"""Every turn of a transcript against its receipts: whatever was changed is found, and where; what was not, holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.transcript.made import TEXTS
from client.verification.talks import SAID, Told, changed, telling, with_turns, without
from noghost.client.transcript import Transcript, Turn
from noghost.client.transcript.lines import ROLES
from noghost.client.verification import Account

ANSWERS = [at for at, (role, _) in enumerate(SAID) if role == "assistant"]
NUMBERS = count(1000, 10)  # of invocations, which the ledger knows once
FIRST_BEFORE = {0: 0, 1: 0, 2: 2, 3: 3, 4: 3, 5: 5, 6: 6, 7: 7}  # where a change of that turn shows first


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with telling(tmp_path_factory.mktemp("told")) as found:
        yield found


@pytest.fixture(scope="module")
def talk(told: Told) -> Transcript:
    return told.talk()


def states(account: Account) -> list[str]:
    return [row.state for row in account.rows]


def broken(account: Account) -> list[int]:
    return [row.number - 1 for row in account.rows if row.state == "broken"]


def test_what_was_said_holds(told: Told, talk: Transcript) -> None:
    account = told.account(talk)
    assert states(account) == ["holds"] * len(SAID)
    assert account.verdict == "holds"
    assert account.receipts[0].since in ("first", "same")


@given(st.lists(st.tuples(st.sampled_from(ROLES), TEXTS), max_size=5))
@settings(max_examples=40)
def test_whatever_was_said_holds(told: Told, said: list[tuple[str, str]]) -> None:
    account = told.account(told.talk(said, first=next(NUMBERS)))
    assert account.verdict == ("holds" if any(role == "assistant" for role, _ in said) else "no receipt")


@given(st.data())
def test_a_changed_character_is_found_in_every_turn(told: Told, talk: Transcript, data: st.DataObject) -> None:
    """Put in, taken out or exchanged, at any place of any turn; and the first row that is broken is where it is."""
    at = data.draw(st.integers(0, len(SAID) - 1))
    text = talk.turns[at].text
    place = data.draw(st.integers(0, len(text)))
    new = data.draw(st.characters(codec="utf-8") | st.just(""))
    other = text[:place] + new + text[place + data.draw(st.integers(0, 1)) :]
    account = told.account(changed(talk, at, other))
    if other == text:
        assert account.verdict == "holds"
        return
    assert account.verdict == "broken"
    assert broken(account)[0] == FIRST_BEFORE[at]
    assert all(found in (at, FIRST_BEFORE[at], FIRST_BEFORE[at] + 1) for found in broken(account))


@given(st.integers(0, len(SAID) - 1), st.sampled_from(["user", "assistant", "system", "tool"]))
def test_another_role_is_found(told: Told, talk: Transcript, at: int, role: str) -> None:
    turns = list(talk.turns)
    turns[at] = Turn(role, turns[at].text, turns[at].facts)
    account = told.account(with_turns(talk, turns))
    last_answer_alone = at == len(SAID) - 1  # what was sent is in its receipt, and nobody was asked after it
    assert account.verdict == ("holds" if role == SAID[at][0] or last_answer_alone else "broken")


@given(st.integers(0, len(SAID) - 2))
def test_a_turn_that_was_taken_out_is_found(told: Told, talk: Transcript, at: int) -> None:
    turns = [turn for index, turn in enumerate(talk.turns) if index != at]
    assert told.account(with_turns(talk, turns)).verdict == "broken"


@given(st.integers(0, len(SAID) - 1), st.integers(0, len(SAID) - 1))
def test_turns_that_were_exchanged_are_found(told: Told, talk: Transcript, one: int, other: int) -> None:
    turns = list(talk.turns)
    turns[one], turns[other] = turns[other], turns[one]
    assert told.account(with_turns(talk, turns)).verdict == ("holds" if one == other else "broken")


@given(st.integers(0, len(SAID) - 1), st.sampled_from(["user", "assistant", "system"]))
def test_a_turn_that_was_put_in_is_found(told: Told, talk: Transcript, at: int, role: str) -> None:
    turns = [*talk.turns[:at], Turn(role, "I have always loved it."), *talk.turns[at:]]
    assert told.account(with_turns(talk, turns)).verdict == "broken"


def test_question_and_answer_that_were_taken_out_together_are_found(told: Told, talk: Transcript) -> None:
    account = told.account(with_turns(talk, [*talk.turns[:3], *talk.turns[6:]]))
    assert states(account) == ["holds", "holds", "holds", "broken", "holds"]


def test_what_was_taken_from_the_end_is_not_found(told: Told, talk: Transcript) -> None:
    """What a transcript cannot show, and the documentation says so."""
    assert told.account(with_turns(talk, talk.turns[:6])).verdict == "holds"


def test_without_the_keys_nothing_is_claimed(told: Told, talk: Transcript) -> None:
    """The control of all above: it is the commitments that find a change."""
    bare = without(talk, "key")
    for one in (bare, changed(bare, 2, "London.")):
        assert states(told.account(one)) == ["cannot tell"] * len(SAID)


def test_a_key_that_was_taken_out_to_hide_a_change_does_not(told: Told, talk: Transcript) -> None:
    """The text is part of what the next answer was asked."""
    hidden = changed(without(talk, "key", at=[2]), 2, "London.")
    assert told.account(hidden).verdict == "broken"
    assert states(told.account(without(talk, "key", at=[2]))) == [*["holds"] * 2, "cannot tell", *["holds"] * 5]


def test_a_turn_from_another_program_is_no_error(told: Told, talk: Transcript) -> None:
    foreign = [Turn("user", "Hello."), Turn("assistant", "Hello to you.")]
    alone = told.account(with_turns(talk, foreign))
    assert (alone.verdict, states(alone)) == ("no receipt", ["no receipt"] * 2)
    behind = told.account(with_turns(talk, [*talk.turns, *foreign]))
    assert (behind.verdict, states(behind)) == ("holds", [*["holds"] * len(SAID), *["no receipt"] * 2])


def test_a_turn_from_another_program_is_part_of_what_comes_after_it(told: Told) -> None:
    """A receipt that was lost, or never asked for: the text holds by the next question all the same."""
    talk = told.talk(first=100)
    lost = without(talk, "receipt", "key", "instance", "options", at=[2])
    account = told.account(lost)
    assert (account.verdict, account.rows[2].state) == ("holds", "no receipt")
    assert "part of what turn 6 answers" in account.rows[2].why
    assert told.account(changed(lost, 2, "London.")).verdict == "broken"


@pytest.mark.parametrize("fact", ["options", "key", "instance"])
def test_changed_facts_are_found_at_their_turn(told: Told, talk: Transcript, fact: str) -> None:
    other = {"options": {"seed": 8}, "key": "ab" * 32, "instance": "ab" * 16}[fact]
    turns = list(talk.turns)
    turns[2] = Turn("assistant", turns[2].text, turns[2].facts | {fact: other})
    assert broken(told.account(with_turns(talk, turns))) == [2]


def test_a_receipt_that_was_taken_before_the_end_is_of_the_question_alone(told: Told) -> None:
    early = told.early([("user", "Hello."), ("assistant", "Hello to you.")], next(NUMBERS))
    assert states(told.account(early)) == ["holds", "cannot tell"]
    assert broken(told.account(changed(early, 0, "Hello?"))) == [0]
    assert broken(told.account(with_turns(early, early.turns[1:]))) == [0]


def test_an_answer_that_broke_off_may_have_arrived_in_part(told: Told) -> None:
    told.outcome = "disconnected"
    cut = changed(told.talk([("user", "Hello."), ("assistant", "Hello to you.")], first=next(NUMBERS)), 1, "Hello")
    told.outcome = "answered"
    row = told.account(cut).rows[1]
    assert (row.state, row.why.endswith("it ended as disconnected: less may have arrived")) == ("broken", True)


@pytest.mark.parametrize("key", [7, "AB" * 32, "", None])
def test_a_key_that_is_none_proves_nothing(told: Told, talk: Transcript, key: object) -> None:
    turns = [Turn(turn.role, turn.text, {**turn.facts, **({"key": key} if turn.facts else {})}) for turn in talk.turns]
    assert told.account(with_turns(talk, turns)).verdict == "cannot tell"


@pytest.mark.parametrize("receipt", ["", "no receipt", 7, None, "\ud800", "noghost-receipt/v1\nvkey \ud800\n"])
def test_what_is_no_receipt_is_broken(told: Told, talk: Transcript, receipt: object) -> None:
    turns = list(talk.turns)
    turns[2] = Turn("assistant", turns[2].text, turns[2].facts | {"receipt": receipt})
    assert broken(told.account(with_turns(talk, turns))) == [2]


@given(st.data())
def test_a_changed_character_of_a_receipt_is_found(told: Told, talk: Transcript, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from(ANSWERS))
    receipt = talk.turns[at].facts["receipt"]
    place = data.draw(st.integers(0, len(receipt) - 1))
    new = data.draw(st.characters(codec="ascii", exclude_characters=receipt[place]))
    turns = list(talk.turns)
    turns[at] = Turn(
        "assistant", turns[at].text, turns[at].facts | {"receipt": receipt[:place] + new + receipt[place + 1 :]}
    )
    assert at in broken(told.account(with_turns(talk, turns)))


def test_another_key_than_the_one_that_is_trusted(told: Told, talk: Transcript, tmp_path: Path) -> None:
    """A file that was made up as a whole, with a key of its own: found by whoever knows the right one."""
    with telling(tmp_path) as forger:
        forged = forger.talk()
        assert forger.account(forged).verdict == "holds", "control: nobody knew the right key"
        assert broken(forger.account(forged, vkey=told.ledger.vkey)) == ANSWERS
        assert told.account(talk, vkey=told.ledger.vkey).verdict == "holds"


def test_a_log_that_was_written_anew_is_found(told: Told, talk: Transcript, tmp_path: Path) -> None:
    """The same key, other entries: a receipt contradicts one that stands before it in the transcript."""
    (tmp_path / "ledger").mkdir()
    shutil.copy2(told.ledger.path / "key", tmp_path / "ledger" / "key")
    with telling(tmp_path) as anew:
        other = anew.talk([(role, text.upper()) for role, text in SAID])
        assert anew.account(other).verdict == "holds", "control: whoever has seen nothing else finds nothing"
    mixed = told.account(with_turns(talk, [*talk.turns, *other.turns]))
    assert broken(mixed) == [len(SAID) + at for at in ANSWERS]
    assert all(mixed.rows[at].instance is None for at in broken(mixed)), "it is the receipt that does not hold"
    assert told.account(other).verdict == "broken", "nor beside what was seen of the log before"
