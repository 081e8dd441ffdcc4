"""Sound of every form becomes the same samples, wherever it is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from noghost.speech.frames import Form
from speech.voiced import needs_voice

pytestmark = needs_voice
RATE = 16_000
VALUES = st.lists(st.integers(-128, 127), min_size=1, max_size=50)


def as_bytes(values: list[int], width: int) -> bytes:
    """The upper eight bits of samples that wide."""
    if width == 1:
        return bytes(value + 128 for value in values)
    return b"".join((value << 8 * (width - 1)).to_bytes(width, "little", signed=True) for value in values)


@given(VALUES, st.integers(1, 4), st.integers(1, 9))
def test_every_width_is_the_same_sound_wherever_it_is_cut(values: list[int], width: int, step: int) -> None:
    from noghost.speech.sound import Pcm

    data, pcm = as_bytes(values, width), Pcm(Form(RATE, width, 1))
    found = [sample for at in range(0, len(data), step) for sample in pcm.add(data[at : at + step])]
    assert found == [value / 128 for value in values]


@given(VALUES, st.integers(2, 8))
def test_channels_are_mixed(values: list[int], channels: int) -> None:
    from noghost.speech.sound import Pcm

    moments = [value for value in values for _ in range(channels)]
    found = Pcm(Form(RATE, 2, channels)).add(as_bytes(moments, 2))
    assert found.tolist() == [value / 128 for value in values]


def test_a_form_is_what_it_was_on_the_other_side() -> None:
    form = Form(384_000, 3, 8)
    assert Form.unpack(form.pack()) == form
