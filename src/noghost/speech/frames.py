"""What an instance and a process of voice say to each other: a closed catalogue. PURE.

A frame is a kind (1 byte), a length (4 bytes, little-endian) and so many bytes. Sound is 16-bit PCM of one channel,
little-endian, unless a form says otherwise; text is UTF-8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from noghost.errors import RequestError

HEAD = struct.Struct("<BI")
LINE = struct.Struct("<dd")  # of a line: where it begins and how long it is, in seconds
SOUND_RATE = 16_000  # of the sound that an ear takes, in Hz
RATE_HZ = 24_000  # of what a mouth says, as OpenAI's clients expect of PCM
MOST_FRAME_BYTES = 64 * 1024
MOST_FILE_S = 1800  # of one file: an ear needs about a tenth of that for it


class Kind(IntEnum):
    """What a frame holds."""

    # to an ear
    SOUND = 1  # as it is spoken; in SPOKEN_FORM unless a FORM came before
    FILE = 2  # a piece of a file in any format that libsndfile reads
    ATTEND = 8  # first of all, to one that hears a turn of a conversation: an Attention
    END = 3  # there is no more
    FORM = 6  # of the SOUND that follows
    # to a mouth
    MANNER = 4  # first of all: format and speed
    SAY = 5  # a sentence
    # to a mind
    REMEMBER = 9  # first of all, where a conversation that is too long may lose its beginning: a Memory
    ASK = 7  # a piece of the body of a chat completion's request
    # from an ear
    PARTIAL = 16  # all of the text as it is now
    LINE = 17  # a line that does not change any more: LINE, then text
    STARTED = 22  # somebody speaks, since so many seconds of what was given (8 bytes)
    STOPPED = 23  # nobody does any more, at so many seconds (8 bytes): the turn is over
    REST = 24  # sound that was given and came after that; an empty one is the last
    # from a mind
    FORGOTTEN = 27  # so many of the oldest messages were left out (4 bytes)
    STATUS = 25  # of the answer, as in HTTP (2 bytes)
    PIECE = 26  # of the answer's body
    # from a mouth
    SPOKEN = 18  # bytes in the format that was asked for
    SAID = 19  # a sentence is whole: how long it is, in seconds (8 bytes)
    # from both
    DONE = 20  # how long the sound is, in seconds (8 bytes)
    FAULT = 21  # a Fault (1 byte); nothing comes after it


class Fault(IntEnum):
    """Why a voice could not."""

    NO_SOUND = 1
    TOO_LONG = 2
    FAILED = 3


FAULTS = {
    Fault.NO_SOUND: "the file is not sound that can be read here: wav, flac, ogg (Opus or Vorbis), mp3 or aiff can",
    Fault.TOO_LONG: f"the sound is over this service's limit of {MOST_FILE_S} s",
}


@dataclass(frozen=True, slots=True)
class Form:
    """Of sound that is PCM: whole numbers, little-endian, with a sign unless they have one byte; channels in turn."""

    rate: int  # Hz
    width: int  # bytes of a sample
    channels: int

    FORM = struct.Struct("<IBB")

    def pack(self) -> bytes:
        """As a frame holds it."""
        return self.FORM.pack(self.rate, self.width, self.channels)

    @classmethod
    def unpack(cls, data: bytes) -> Form:
        """From a frame."""
        return cls(*cls.FORM.unpack(data))


SPOKEN_FORM = Form(SOUND_RATE, 2, 1)


class Format(IntEnum):
    """What a mouth speaks in."""

    PCM = 0
    MP3 = 1
    OPUS = 2
    FLAC = 3
    ULAW = 4  # G.711, 8 kHz
    ALAW = 5


@dataclass(frozen=True, slots=True)
class Manner:
    """How a mouth is to speak."""

    format: Format
    speed: float  # 1: as the voice was made
    speaker: int = 0  # of those that the mouth has

    FORM = struct.Struct("<BdH")

    def pack(self) -> bytes:
        """As a frame holds it."""
        return self.FORM.pack(self.format, self.speed, self.speaker)

    @classmethod
    def unpack(cls, data: bytes) -> Manner:
        """From a frame."""
        number, *others = cls.FORM.unpack(data)
        return cls(Format(number), *others)


@dataclass(frozen=True, slots=True)
class Attention:
    """How an ear is to hear a turn of a conversation."""

    format: Format  # PCM, ULAW or ALAW
    rate: int  # Hz
    waits: bool  # the turn begins with speech and ends with silence, which the ear tells; else its sound is all of it
    threshold: float = 0.5  # of the probability that somebody speaks
    before_s: float = 0.3  # of what came before speech belongs to it
    silence_s: float = 0.5  # so long a silence ends it
    captions: bool = False  # the text is told while it is still being spoken, as PARTIAL

    FORM = struct.Struct("<BI?ddd?")

    def pack(self) -> bytes:
        """As a frame holds it."""
        return self.FORM.pack(
            self.format, self.rate, self.waits, self.threshold, self.before_s, self.silence_s, self.captions
        )

    @classmethod
    def unpack(cls, data: bytes) -> Attention:
        """From a frame."""
        number, *others = cls.FORM.unpack(data)
        return cls(Format(number), *others)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept of a conversation that has outgrown its bounds."""

    instructions: int  # messages at its begin that are always kept
    retained: float  # of what could be kept, so much is
    most_tokens: int  # besides instructions and tools; 0: as many as the context has

    FORM = struct.Struct("<BdI")

    def pack(self) -> bytes:
        """As a frame holds it."""
        return self.FORM.pack(self.instructions, self.retained, self.most_tokens)

    @classmethod
    def unpack(cls, data: bytes) -> Memory:
        """From a frame."""
        return cls(*cls.FORM.unpack(data))


SECONDS = struct.Struct("<d")
COUNT = struct.Struct("<I")
STATUS = struct.Struct("<H")


def error_of(data: bytes) -> RequestError:
    """What a FAULT means to the caller."""
    number = data[0] if data else Fault.FAILED
    if number in FAULTS:
        return RequestError(FAULTS[Fault(number)], code="invalid_audio", param="file")
    return RequestError("the process that hears or speaks could not go on", status=500, code="voice_failed")
