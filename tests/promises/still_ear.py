"""Whisper's ear, but for one thing: once it has made mel frames of what was said it stands still, so that one can look.

The real one frees them as soon as they are encoded, and what it computes next is written over them.
"""

from __future__ import annotations

import threading

from noghost.speech import mel
from noghost.speech.sound import Samples
from noghost.voice.accurate import load
from noghost.voice.ear import NAMES
from noghost.voice.parent import main

make = mel.frames_of


def make_and_stand_still(samples: Samples, count: int) -> Samples:
    """Of silence, as in the parent, they are given back."""
    frames = make(samples, count)
    if samples.any():
        threading.Event().wait()  # until it is killed
    return frames


if __name__ == "__main__":
    mel.frames_of = make_and_stand_still
    main(NAMES, load)
