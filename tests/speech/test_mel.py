"""Sound as Whisper is given it, against numbers that another made of the same: a tone that rises for 2 s."""

from __future__ import annotations

import pytest

from speech.voiced import needs_others, needs_voice

pytestmark = needs_voice
# (band, frame): by feature_extractor.py of faster-whisper 1.2.1, of 3 s
THEIRS = {
    (3, 0): 1.3512,
    (10, 10): 1.3888,
    (20, 50): -0.1308,
    (40, 120): -0.5495,
    (60, 190): 1.2409,
    (79, 199): -0.2274,
}


def test_it_is_what_the_model_was_trained_with() -> None:
    import numpy as np

    from noghost.speech.mel import RATE, frames_of

    at = np.arange(2 * RATE) / RATE
    rising = (0.5 * np.sin(2 * np.pi * (200 + 900 * at) * at)).astype(np.float32)
    frames = frames_of(rising, 300)
    assert frames.shape == (1, 80, 300)
    assert {place: round(float(frames[0][place]), 4) for place in THEIRS} == pytest.approx(THEIRS, abs=2e-4)
    assert np.unique(frames[0, :, 250:]).size == 1, "silence after its end"


@needs_others
def test_tokens_spell_bytes() -> None:
    from noghost.speech.whisper import text_of

    assert text_of(["<|0.00|>", "ĠThe", "Ġcaf", "Ã©", ".", "<|2.40|>"]) == "The café."
    assert text_of(["Ġ", "æĹ"]) == "�", "half a character"
