"""Sound of one rate as sound of another."""

from __future__ import annotations

from typing import Any

import pytest

from speech.voiced import needs_voice

pytestmark = needs_voice
np = pytest.importorskip("numpy")


def resampled(hz: float, rate: int, wanted: int, step: int) -> Any:
    """Half a second of a tone, given in pieces, without its ends."""
    from noghost.speech.sound import Resampler

    tone = np.sin(2 * np.pi * hz * np.arange(rate // 2) / rate).astype(np.float32)
    resampler = Resampler(rate, wanted)
    found = np.concatenate([resampler.add(tone[at : at + step]) for at in range(0, len(tone), step)])
    assert len(found) == pytest.approx(wanted / 2, abs=1)
    return found[wanted // 8 : -wanted // 8]


@pytest.mark.parametrize(("rate", "wanted"), [(24_000, 16_000), (44_100, 16_000), (8_000, 16_000), (22_050, 24_000)])
def test_a_tone_stays_one_however_it_comes(rate: int, wanted: int) -> None:
    found = resampled(1000, rate, wanted, 20_000)
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
    at = int(spectrum.argmax())
    assert at * wanted / len(found) == pytest.approx(1000, abs=5)
    spectrum[at - 4 : at + 5] = 0
    assert spectrum.max() < 0.001 * len(found) / 4, "60 dB below it there is nothing else"
    assert np.abs(found).max() == pytest.approx(1, abs=0.01)
    assert np.array_equal(found, resampled(1000, rate, wanted, 77))


def test_what_the_lower_rate_cannot_have_is_not_folded_into_it() -> None:
    assert np.abs(resampled(10_000, 24_000, 16_000, 480)).max() < 0.01
