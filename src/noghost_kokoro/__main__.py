# SPDX-License-Identifier: GPL-3.0-or-later
"""Kokoro as a mouth: loaded in the parent with one thread; a single-use child of it speaks for one turn."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime

from noghost.errors import WeightsError
from noghost.speech import sound
from noghost.speech.frames import Manner
from noghost.speech.kokoro_files import INSTALL, MODEL, SPEAKERS, VOCABULARY, WEIGHTS
from noghost.speech.pinned import check
from noghost.voice.mouth import speak
from noghost.voice.parent import Names, Work, main
from noghost.voice.plan import Plan
from noghost_kokoro.phonemes import Accent

RATE = 24_000  # Hz
STYLES = (510, 256)  # of a voice: one for each number of phonemes, which is the most at once too
BRITISH = "b"  # how the names of such voices begin


class Kokoro:
    """The model and its voices."""

    def __init__(self, files: dict[str, bytes]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # none is started: a child could not have it
        self._session = onnxruntime.InferenceSession(files[MODEL], options, providers=["CPUExecutionProvider"])
        self._numbers: dict[str, int] = json.loads(files[VOCABULARY])["vocab"]
        self._voices = [np.frombuffer(files[f"{name}.bin"], "<f4").reshape(STYLES) for name in SPEAKERS]
        self._accents = {True: Accent("en"), False: Accent("en-us")}

    def synthesise(self, text: str, manner: Manner) -> Iterator[sound.Samples]:
        """A sentence, in as few parts as the model takes."""
        accent = self._accents[SPEAKERS[manner.speaker].startswith(BRITISH)]
        for numbers in self._parts(accent.phrases(unicodedata.normalize("NFC", text))):
            style = self._voices[manner.speaker][len(numbers) - 1]
            given = {
                "tokens": np.array([[0, *numbers, 0]], np.int64),
                "style": style[None],
                "speed": np.array([manner.speed], np.float32),
            }
            yield self._session.run(None, given)[0].ravel()

    def _parts(self, phrases: list[str]) -> Iterator[list[int]]:
        """Numbers of phonemes; those that the model does not know are left out."""
        part: list[int] = []
        for phrase in phrases:
            known = [number for one in f"{phrase} " if (number := self._numbers.get(one)) is not None]
            if part and len(part) + len(known) > STYLES[0]:
                yield part
                part = []
            part += known
        for at in range(0, len(part), STYLES[0]):
            yield part[at : at + STYLES[0]]


def load(plan: Plan) -> Work:
    """In the parent. Raises WeightsError for others than the pinned ones."""
    *parts, vocabulary, folder = map(Path, plan.weights)
    try:
        files = {MODEL: b"".join(part.read_bytes() for part in parts), VOCABULARY: vocabulary.read_bytes()}
        files |= {f"{name}.bin": (folder / f"{name}.bin").read_bytes() for name in SPEAKERS}
    except OSError as error:
        raise WeightsError(f"could not read the weights of Kokoro: {error.strerror}", INSTALL) from error
    for name, data in files.items():
        check(name, data, WEIGHTS[name], INSTALL)
    kokoro = Kokoro(files)
    for _ in kokoro.synthesise("Ready.", Manner(sound.Format.PCM, 1.0)):
        pass
    sound.warm_up()
    return lambda end: speak(end, kokoro.synthesise, RATE)


if __name__ == "__main__":
    main(Names("noghost: mouth", "noghost: speaking"), load)
