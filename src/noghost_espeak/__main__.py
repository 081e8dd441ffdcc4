# SPDX-License-Identifier: GPL-3.0-or-later
"""espeak-ng as a mouth: loaded in the parent; a single-use child of it speaks for one turn. No model: it sounds like a
machine, at once.

Source: speak_lib.h of espeak-ng 1.52.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np

from noghost.errors import WeightsError
from noghost.speech import sound
from noghost.speech.frames import Format, Manner
from noghost.voice.mouth import speak
from noghost.voice.parent import Names, Work, main
from noghost.voice.plan import Plan

SYNCHRONOUS, CHARS_UTF8, POS_CHARACTER, RATE = 2, 1, 1, 1
DO_NOT_EXIT = 0x8000  # where its data is not there
VOICE = b"en-us"
NORMAL = 175  # words a minute
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The library. Raises WeightsError where its data is not beside it."""

    def __init__(self, library: str, data: str) -> None:
        self._library = ctypes.CDLL(library)
        self._library.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
            *(ctypes.c_void_p, ctypes.c_void_p),
        ]
        self.rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), DO_NOT_EXIT)
        if self.rate <= 0 or self._library.espeak_SetVoiceByName(VOICE):
            raise WeightsError("espeak-ng refuses its data", "install espeakng-loader anew")
        self._said = bytearray()
        self._callback = Callback(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
        """Called while it speaks; 0: go on."""
        if samples and count:
            self._said += ctypes.string_at(samples, 2 * count)
        return 0

    def synthesise(self, text: str, manner: Manner) -> Iterator[sound.Samples]:
        """A sentence."""
        self._said.clear()
        self._library.espeak_SetParameter(RATE, round(NORMAL * manner.speed), 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
        yield np.frombuffer(bytes(self._said), "<i2").astype(np.float32) / np.float32(32768)


def load(plan: Plan) -> Work:
    """In the parent: with all that it reads when it first speaks."""
    espeak = Espeak(*plan.weights)
    for _ in espeak.synthesise("Ready.", Manner(Format.PCM, 1.0)):
        pass
    sound.warm_up()
    return lambda end: speak(end, espeak.synthesise, espeak.rate)


if __name__ == "__main__":
    main(Names("noghost: mouth", "noghost: speaking"), load)
