# SPDX-License-Identifier: GPL-3.0-or-later
"""Piper as a mouth: loaded in the parent with one thread; a single-use child of it speaks for one turn."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
from piper import espeakbridge
from piper.config import PiperConfig, SynthesisConfig
from piper.voice import PiperVoice

from noghost.errors import WeightsError
from noghost.speech import sound
from noghost.speech.frames import Manner
from noghost.voice.mouth import speak
from noghost.voice.parent import Names, Work, main
from noghost.voice.plan import Plan


def load(plan: Plan) -> Work:
    """In the parent: the weights, from the very bytes that were hashed; what espeak reads when it first speaks."""
    weights = Path(plan.weights[0]).read_bytes()
    if hashlib.sha256(weights).hexdigest() != plan.digest:
        raise WeightsError("the voice's weights changed while the service started", "start it again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # none is started: a child could not have it
    try:
        session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        config = PiperConfig.from_dict(json.loads(Path(plan.weights[1]).read_text("utf-8")))
        voice = PiperVoice(session, config)
        voice.phonemize("Ready.")
    except Exception as error:  # each library has its own
        raise WeightsError(
            "the mouth's weights are not those of a Piper voice", "get them anew: docs/voice.md"
        ) from error
    espeakbridge.set_voice = lambda _name: None  # it is set; setting it again would open its file, in a child
    sound.warm_up()

    def synthesise(text: str, wanted: Manner) -> Iterator[sound.Samples]:
        speaker = wanted.speaker if config.num_speakers > 1 else None
        manner = SynthesisConfig(speaker_id=speaker, length_scale=config.length_scale / wanted.speed)
        for chunk in voice.synthesize(unicodedata.normalize("NFC", text), manner):
            yield chunk.audio_float_array

    return lambda end: speak(end, synthesise, config.sample_rate)


if __name__ == "__main__":
    main(Names("noghost: mouth", "noghost: speaking"), load)
