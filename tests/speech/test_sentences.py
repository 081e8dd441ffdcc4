"""Where a text is divided for speaking."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.speech.sentences import MOST_CHARACTERS, Sentences


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. Fox met Dr. Owl. They spoke.", ["Mr. Fox met Dr. Owl.", "They spoke."]),
        ('He said "No." She left.', ['He said "No."', "She left."]),
        ("It costs 3.50 euros. Fine.", ["It costs 3.50 euros.", "Fine."]),
        ("A line\nanother", ["A line", "another"]),
        ("J. S. Bach wrote it. Yes.", ["J. S. Bach wrote it.", "Yes."]),
        ("", []),
        ("   \n ", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    sentences = Sentences()
    assert [*sentences.add(text), *sentences.end()] == parts


def test_who_is_hasty_speaks_the_first_clause_alone() -> None:
    sentences = Sentences(hasty=True)
    text = "No, I need only two pounds, and I will give you bread, and more. That is it, and no more than that."
    assert [*sentences.add(text), *sentences.end()] == [
        "No, I need only two pounds,",
        "and I will give you bread, and more.",
        "That is it, and no more than that.",
    ]


@given(st.text(alphabet="ab .!?\n", max_size=1500), st.integers(1, 50))
def test_nothing_is_lost_and_nothing_is_long_however_it_comes(text: str, step: int) -> None:
    sentences = Sentences()
    parts = [one for at in range(0, len(text), step) for one in sentences.add(text[at : at + step])]
    parts += sentences.end()
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(len(part) <= MOST_CHARACTERS for part in parts)
