"""What is shown as certain of a text that is still being spoken."""

from __future__ import annotations

import pytest

from noghost.speech.captions import Caption, Captions


def shown(*hypotheses: str) -> list[Caption | None]:
    captions = Captions()
    return [captions.add(one) for one in hypotheses]


def test_two_in_succession_make_words_firm() -> None:
    assert shown("She put", "She put the cat", "She put the kettle on") == [
        Caption("", "She put"),
        Caption("She put", "the cat"),
        Caption("She put the", "kettle on"),
    ]


def test_marks_and_case_are_aside_and_the_last_word_is_never_firm() -> None:
    assert shown("Ever tried.", "Ever tried, ever", "ever tried, ever failed.", "ever tried, ever failed.") == [
        Caption("", "Ever tried."),
        Caption("Ever tried,", "ever"),
        Caption("Ever tried, ever", "failed."),
        None,
    ]


@pytest.mark.parametrize("last", ["", "We had", "You were going to heaven", "We were going to be there"])
def test_what_is_firm_stays(last: str) -> None:
    captions = Captions()
    captions.add("We were going")
    before = captions.add("We were going direct")
    after = captions.add(last)
    assert before == Caption("We were going", "direct")
    assert after is not None
    assert after.firm == before.firm
    assert after.open == " ".join(last.split()[3:])


def test_words_count_by_their_place() -> None:
    """A word that moves is no agreement."""
    assert shown("a b c d", "x a b c d") == [Caption("", "a b c d"), Caption("", "x a b c d")]
