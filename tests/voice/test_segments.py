"""Where what is heard is divided."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from speech.voiced import needs_voice

pytestmark = needs_voice
SPEECH, SILENCE = 0.9, 0.01


def lengths(*likely: tuple[float, float]) -> list[float]:
    """Of the segments of (seconds, probability) in turn, the last one ended by the sound's end."""
    np = pytest.importorskip("numpy")
    from noghost.voice.segments import PIECE, PIECE_S, Segments

    segments = Segments()
    given = chain.from_iterable(repeat(one, round(seconds / PIECE_S)) for seconds, one in likely)
    found = [segments.add(np.zeros(PIECE, np.float32), one) for one in given] + [segments.end()]
    return [one.length_s for one in found if one]


@pytest.mark.parametrize("likely", [[(10.0, SILENCE)], [(1.0, SILENCE), (0.04, SPEECH), (1.0, SILENCE)], []])
def test_where_nobody_speaks_there_is_none(likely: list[tuple[float, float]]) -> None:
    """A click is no speech."""
    assert lengths(*likely) == []


def test_half_a_second_before_and_what_is_open_at_the_end_belong_to_it() -> None:
    assert lengths((3.0, SILENCE), (2.0, SPEECH)) == [pytest.approx(2.5, abs=0.07)]


def test_the_longer_one_is_the_shorter_a_silence_ends_it() -> None:
    short, long = (2.0, SPEECH), (20.0, SPEECH)
    pause, rest = (0.6, SILENCE), (1.0, SPEECH)
    assert len(lengths(short, pause, rest)) == 1
    assert len(lengths(long, pause, rest)) == 2
    assert len(lengths(short, (1.5, SILENCE), rest)) == 2


def test_none_is_longer_than_the_longest_and_nothing_is_lost() -> None:
    found = lengths((65.0, SPEECH))
    assert max(found) <= 30.1
    assert sum(found) == pytest.approx(65.0, abs=0.3)
