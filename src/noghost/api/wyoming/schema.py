"""What Wyoming's events must have in them, and may; fields beyond these are other services' and passed over. In an
instance.

Source: README.md of OHF-Voice/wyoming, "Event Types".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from noghost.api.audio_schema import ENGLISH, MOST_CHARACTERS
from noghost.api.strict import Strict
from noghost.speech.frames import Form


def is_english(language: str | None) -> bool:
    """Of a language tag, or none."""
    return language is None or language.lower().replace("_", "-").split("-")[0] in ENGLISH


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
        if not is_english(language):
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

    @field_validator("voice")
    @classmethod
    def english_only(cls, voice: NamedVoice | None) -> Any:
        """No other is spoken; a voice that is named has a language of its own."""
        if voice is not None and voice.name is None and not is_english(voice.language):
            raise ValueError("this voice speaks English only")
        return voice


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
