"""However the bytes are split, the text is that of the whole."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.engine.text import AnswerText, StopMatcher, Utf8Stream

# Few letters, so that stop strings occur, overlap and begin again inside themselves; and some wide ones.
LETTERS = "abä€👻"
texts = st.text(alphabet=LETTERS, max_size=40)
stop_lists = st.lists(st.text(alphabet=LETTERS, max_size=5), max_size=4)
cut_lists = st.lists(st.integers(0, 200), max_size=30)


def bounds(length: int, cuts: list[int]) -> list[tuple[int, int]]:
    return list(pairwise([0, *sorted(min(cut, length) for cut in cuts), length]))


def cut_naively(text: str, stops: list[str]) -> tuple[str, str | None]:
    """Look at every beginning of the whole text; the first that ends with a stop string decides."""
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if stop and text[:end].endswith(stop)]
        if found:
            longest = max(found, key=len)
            return text[: end - len(longest)], longest
    return text, None


@given(data=st.binary(max_size=60) | texts.map(str.encode), cuts=cut_lists)
def test_any_bytes_in_any_pieces_decode_as_the_whole(data: bytes, cuts: list[int]) -> None:
    stream = Utf8Stream()
    pieces = [stream.feed(data[start:end]) for start, end in bounds(len(data), cuts)]
    assert "".join(pieces) + stream.flush() == data.decode("utf-8", "replace")


@given(text=texts)
def test_a_character_comes_whole_and_as_soon_as_it_is_there(text: str) -> None:
    stream = Utf8Stream()
    for character in text:
        *first, last = character.encode()
        assert all(stream.feed(bytes([byte])) == "" for byte in first)
        assert stream.feed(bytes([last])) == character
    assert stream.flush() == ""


@given(text=texts, stops=stop_lists, cuts=cut_lists)
def test_any_stops_in_any_pieces_cut_as_in_the_whole(text: str, stops: list[str], cuts: list[int]) -> None:
    matcher = StopMatcher(stops)
    pieces = [matcher.feed(text[start:end]) for start, end in bounds(len(text), cuts)]
    assert ("".join(pieces) + matcher.flush(), matcher.matched) == cut_naively(text, stops)


@given(text=texts, stops=stop_lists, cuts=cut_lists)
def test_bytes_and_stops_together(text: str, stops: list[str], cuts: list[int]) -> None:
    data, answer = text.encode(), AnswerText(stops)
    pieces = [answer.feed(data[start:end]) for start, end in bounds(len(data), cuts)]
    assert ("".join(pieces) + answer.flush(), answer.stop) == cut_naively(text, stops)


@given(text=texts, stops=stop_lists)
def test_no_more_is_held_back_than_could_begin_a_stop_string(text: str, stops: list[str]) -> None:
    matcher, shown = StopMatcher(stops), ""
    for index, character in enumerate(text):
        shown += matcher.feed(character)
        if matcher.matched is not None:
            return
        held = text[len(shown) : index + 1]
        assert held == "" or any(stop.startswith(held) for stop in stops)


def test_the_first_complete_stop_wins_and_of_two_the_longer() -> None:
    matcher = StopMatcher(["bc", "abcd"])
    assert (matcher.feed("xabcd"), matcher.matched) == ("xa", "bc")
    matcher = StopMatcher(["b", "ab"])
    assert (matcher.feed("xab"), matcher.matched) == ("x", "ab")


def test_nothing_comes_after_a_match() -> None:
    matcher = StopMatcher(["##"])
    assert [matcher.feed(piece) for piece in ("a#", "#b", "c")] == ["a", "", ""]
    assert matcher.flush() == ""


def test_half_a_character_at_the_end_is_a_replacement_and_can_complete_a_stop() -> None:
    answer = AnswerText(["x�"])
    assert answer.feed(b"ax\xe2\x82") == "a"
    assert answer.flush() == ""
    assert answer.stop == "x�"


@pytest.mark.parametrize("length", [1, 1000, 100_000])
def test_a_long_stop_string_is_found_in_linear_time(length: int) -> None:
    stop = "a" * length + "b"
    matcher = StopMatcher([stop])
    assert matcher.feed("a" * (length + 3)) == "aaa"
    assert (matcher.feed("b"), matcher.matched) == ("", stop)
