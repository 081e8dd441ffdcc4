"""Sound as Whisper is given it: the logarithm of its energy in bands of Mel's scale. PURE. In a process of voice.

Source: audio.py of openai/whisper, whose filters are Slaney's; the same as feature_extractor.py of faster-whisper
1.2.1 makes, to the bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from noghost.speech.sound import Samples

RATE = 16_000  # Hz
HOP = 160  # samples from one frame to the next: 10 ms
WINDOW = 400  # samples
BANDS = 80
BREAK_HZ, BREAK_MEL, PER_MEL_HZ, LOG_STEP = 1000.0, 15.0, 200 / 3, np.log(6.4) / 27  # linear below, a logarithm above
RANGE = 8.0  # powers of ten below the loudest that are told apart


def filters() -> npt.NDArray[np.float32]:
    """(bands, frequencies): triangles of equal area, each from the centre of the last to that of the next."""
    mels = np.linspace(0.0, BREAK_MEL + np.log(RATE / 2 / BREAK_HZ) / LOG_STEP, BANDS + 2)
    edges = np.where(mels < BREAK_MEL, mels * PER_MEL_HZ, BREAK_HZ * np.exp(LOG_STEP * (mels - BREAK_MEL)))
    at = np.linspace(0.0, RATE / 2, WINDOW // 2 + 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    shape = np.minimum((at - low) / (centre - low), (high - at) / (high - centre))
    return np.asarray(np.maximum(0.0, shape) * 2 / (high - low), np.float32)


FILTERS = filters()
HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)


def frames_of(samples: Samples, count: int) -> npt.NDArray[np.float32]:
    """(1, bands, count): the beginning of it, with silence after its end."""
    padded = np.zeros(count * HOP + WINDOW, np.float32)
    heard = samples[: count * HOP]
    padded[WINDOW // 2 : WINDOW // 2 + len(heard)] = heard
    padded[: WINDOW // 2] = padded[WINDOW : WINDOW // 2 : -1]  # as if it began before, in a mirror
    pieces = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    energy = np.abs(np.fft.rfft(pieces * HANN, axis=1)) ** 2
    told = np.log10(np.maximum(FILTERS @ energy.T.astype(np.float32), 1e-10))
    told = np.maximum(told, told.max() - RANGE)
    return np.ascontiguousarray(((told + 4) / 4)[None], np.float32)
