"""What Wyoming's events must have in them, and may; fields beyond these are other services' and passed over. In an
instance.

Source: README.md of OHF-Voice/wyoming, "Event Types".
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from noghost.api.audio_schema import ENGLISH, MOST_CHARACTERS
from noghost.api.strict import Strict
from noghost.speech.frames import Form


def main_language(tag: str) -> str:
    """Of a language tag: en of en_GB."""
    main = tag.lower().replace("_", "-").split("-")[0]
    return "en" if main in ENGLISH else main


class Sound(Strict):
    """audio-start, audio-chunk."""

    rate: Annotated[int, Field(ge=4000, le=384_000)]
    width: Annotated[int, Field(ge=1, le=4)]
    channels: Annotated[int, Field(ge=1, le=8)]

    @property
    def form(self) -> Form:
        """As an ear is told it."""
        return Form(self.rate, self.width, self.channels)


class Transcribe(Strict):
    """transcribe."""

    name: str | None = None
    language: str | None = None

    @field_validator("language")
    @classmethod
    def english_only(cls, language: str | None) -> str | None:
        """No other is heard."""
        if language is not None and main_language(language) != "en":
            raise ValueError("this ear knows English only")
        return language


class NamedVoice(Strict):
    """The voice that is wanted."""

    name: str | None = None
    language: str | None = None


class SynthesizeStart(Strict):
    """synthesize-start."""

    voice: NamedVoice | None = None
    text_format: Literal["text"] | None = None


class SynthesizeChunk(Strict):
    """synthesize-chunk."""

    text: str = Field(max_length=MOST_CHARACTERS)


class Synthesize(SynthesizeStart):
    """synthesize."""

    text: str = Field(min_length=1, max_length=MOST_CHARACTERS)


class Transcript(Strict):
    """transcript, which asks for an answer."""

    text: str = Field(min_length=1)


class Named(Strict):
    """select-program."""

    name: str


class Ping(Strict):
    """ping."""

    text: str | None = None
