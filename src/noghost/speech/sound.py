"""Sound files, in memory: decode any that libsndfile reads, encode what a mouth says. In a process of voice.

numpy and libsndfile are loaded in the parent of such processes, and never in a service's other ones.
Covered: a file that is none, one that is too long, one of any rate and number of channels.
Not covered: faults of libsndfile itself, which can do no more than end a confined process.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import soundfile

from noghost.speech.frames import MOST_FILE_S, RATE_HZ, Attention, Fault, Form, Format

BLOCK_S = 5.0  # decoded at once
BLOCK = 4096  # samples, resampled at once
LOBES = 16  # of a resampler's sinc
PASSED = 0.95  # of the lower rate's band
MOST_BLOCK = 1 << 22  # samples of that, of all channels: 16 MiB
LEAST_HZ, MOST_HZ = 4_000, 768_000
CODECS = {Format.MP3: ("MP3", "MPEG_LAYER_III"), Format.OPUS: ("OGG", "OPUS"), Format.FLAC: ("FLAC", "PCM_16")}
TELEPHONES = {Format.ULAW: ("RAW", "ULAW"), Format.ALAW: ("RAW", "ALAW")}
TELEPHONE_HZ = 8_000

MARKS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"FORM")  # and MP3's, which has two

Samples = npt.NDArray[np.float32]


class UnreadableError(Exception):
    """It cannot be heard; `fault` says why. Never shown as it is."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


class Stream(soundfile.SoundFile):  # type: ignore[misc]  # the package has no types
    """Read from begin to end: the header of a file that was streamed does not say how long it is, or says it wrong."""

    def seekable(self) -> bool:
        """So that nobody asks where it ends."""
        return False


def decode(data: bytearray) -> Iterator[tuple[Samples, int]]:
    """(samples of one channel, rate in Hz) of a file, block by block. Raises UnreadableError, before the first for one
    that is too long: nobody hears half an hour of it to find that out."""
    if not is_known(data):
        raise UnreadableError(Fault.NO_SOUND)
    try:
        if sum(len(block) / rate for block, rate in blocks(data)) > MOST_FILE_S:
            raise UnreadableError(Fault.TOO_LONG)
        for block, rate in blocks(data):
            yield np.ascontiguousarray(block.mean(axis=1)), rate
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError):
        raise UnreadableError(Fault.NO_SOUND) from None


def blocks(data: bytearray) -> Iterator[tuple[Samples, int]]:
    """(samples of each channel, rate in Hz), from the begin, a little more than MOST_FILE_S at most. Raises
    UnreadableError for a rate that no sound has."""
    with Stream(io.BytesIO(data)) as file:
        rate = file.samplerate
        if not LEAST_HZ <= rate <= MOST_HZ:
            raise UnreadableError(Fault.NO_SOUND)
        length = min(int(BLOCK_S * rate), MOST_BLOCK // file.channels)
        left = MOST_FILE_S * rate + length
        while left > 0 and len(block := file.read(length, dtype="float32", always_2d=True)):
            left -= len(block)
            yield block, rate


def is_known(data: bytearray) -> bool:
    """It begins as a file of a known format does; libsndfile would look for others on the disk."""
    return bytes(data[:4]) in MARKS or data[:3] == b"ID3" or (data[:1] == b"\xff" and data[1:2] >= b"\xe0")


class Pcm:
    """Sound as it comes, cut anywhere."""

    def __init__(self, form: Form) -> None:
        self.rate = form.rate
        self._width, self._channels = form.width, form.channels
        self._rest = b""  # of a moment whose other samples are not here yet

    def add(self, data: bytes) -> Samples:
        """What is whole by that, as one channel."""
        data = self._rest + data
        whole = len(data) - len(data) % (self._width * self._channels)
        self._rest = data[whole:]
        return np.ascontiguousarray(self._numbers(data[:whole]).reshape(-1, self._channels).mean(axis=1))

    def _numbers(self, data: bytes) -> Samples:
        """From -1 to 1."""
        if self._width == 1:
            return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
        upper = np.zeros((len(data) // self._width, 4), np.uint8)  # each as 32 bits, with zeros below
        upper[:, 4 - self._width :] = np.frombuffer(data, np.uint8).reshape(-1, self._width)
        return upper.view("<i4")[:, 0].astype(np.float32) / np.float32(1 << 31)


def samples_of(data: bytes | bytearray, attention: Attention) -> Samples:
    """Sound as it is spoken: of a whole number of samples."""
    if attention.format is Format.PCM:
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
    kind, codec = TELEPHONES[attention.format]
    found: Samples
    form = {"samplerate": attention.rate, "channels": 1, "format": kind, "subtype": codec}
    found, _ = soundfile.read(io.BytesIO(data), dtype="float32", **form)
    return found


class Encoder:
    """One file or stream of RATE_HZ (a telephone's of TELEPHONE_HZ), as it is spoken; `rate` is that of what it is
    given."""

    def __init__(self, wanted: Format, rate: int) -> None:
        self._out = io.BytesIO()
        self._given = 0
        wanted_hz = TELEPHONE_HZ if wanted in TELEPHONES else RATE_HZ
        self._resampler = Resampler(rate, wanted_hz)
        self._file = None
        if wanted is not Format.PCM:
            kind, codec = (CODECS | TELEPHONES)[wanted]
            self._file = soundfile.SoundFile(self._out, "w", wanted_hz, 1, format=kind, subtype=codec)

    def add(self, samples: Samples) -> bytes:
        """What is encoded by that; of some formats nothing yet."""
        samples = self._resampler.add(samples)
        if self._file is None:
            return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        self._file.write(samples)
        return self._new()

    def end(self) -> bytes:
        """The rest of it."""
        if self._file is None:
            return b""
        self._file.close()
        return self._new()

    def _new(self) -> bytes:
        data = self._out.getbuffer()[self._given :].tobytes()
        self._given += len(data)
        return data


class Resampler:
    """To another rate, as it comes: band-limited interpolation by a windowed sinc, LOBES to either side. What comes out
    is late by that, 1 to 2 ms.

    Source: Smith, Digital Audio Resampling (ccrma.stanford.edu/~jos/resample), with a filter for each phase.
    """

    def __init__(self, rate: int, wanted: int) -> None:
        self.rate = rate
        common = math.gcd(rate, wanted)
        self._up, self._down = wanted // common, rate // common
        band = PASSED * min(1.0, wanted / rate)
        half = math.ceil(LOBES / band)
        places = np.arange(1 - half, half + 1) - np.arange(self._up)[:, None] / self._up
        window = np.cos(np.pi * places / (2 * half + 2)) ** 2
        self._filters = (band * np.sinc(band * places) * window).astype(np.float32)  # one a row, for each phase
        self._held = np.zeros(2 * half - 1, np.float32)
        self._at = 0  # of the next one, in parts of a sample that is held

    def add(self, samples: Samples) -> Samples:
        """As much of it as can be known by that."""
        if self._up == self._down:
            return samples
        found = [self._add(samples[at : at + BLOCK]) for at in range(0, len(samples), BLOCK)]
        return np.concatenate(found) if found else samples

    def _add(self, samples: Samples) -> Samples:
        self._held = np.concatenate((self._held, samples))
        windows = np.lib.stride_tricks.sliding_window_view(self._held, self._filters.shape[1])
        at = np.arange(self._at, len(windows) * self._up, self._down)
        which, phase = np.divmod(at, self._up)
        found: Samples = np.einsum("ij,ij->i", windows[which], self._filters[phase])
        self._at += len(at) * self._down
        past = self._at // self._up
        self._held, self._at = self._held[past:], self._at - past * self._up
        return found


def warm_up() -> None:
    """In the parent: what libsndfile's codecs and the calls into Python need is made, on silence."""
    silence = np.zeros(2400, np.float32)
    for wanted in (*CODECS, *TELEPHONES):
        encoder = Encoder(wanted, RATE_HZ)
        data = bytearray(encoder.add(silence) + encoder.end())
        if wanted in TELEPHONES:
            samples_of(data, Attention(wanted, TELEPHONE_HZ, waits=False))
            continue
        for _ in decode(data):
            pass
