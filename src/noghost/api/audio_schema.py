"""What the audio endpoints take: OpenAI's fields, and the names that its clients have in them. In an instance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from noghost.api.forms import Form
from noghost.api.strict import Strict, refuse
from noghost.errors import RequestError

MOST_CHARACTERS = 4096  # as OpenAI's API
EARS = re.compile(r"default|whisper-1|gpt-4o(-mini)?-transcribe(-\d{4}-\d\d-\d\d)?")
MOUTHS = re.compile(r"default|tts-1(-hd)?(-\d{4})?|gpt-4o-mini-tts(-\d{4}-\d\d-\d\d)?")
VOICES = frozenset(
    "default alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse".split()  # noqa: SIM905
)
TEXT_FORMATS = ("json", "text", "verbose_json", "srt", "vtt")
ENGLISH = ("en", "english", "eng", "en-us", "en-gb")
KNOWN = {
    "file",
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "timestamp_granularities[]",
    "chunking_strategy",
    "stream",
}
WORDS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Transcription:
    """A request that was looked through."""

    file: memoryview
    format: str
    stream: bool


def transcription_of(form: Form, own: str) -> Transcription:
    """What a form asks for; `own` is the name of the ear. RequestError for what cannot be had, never ignored."""
    texts = one_of_each(form)
    if unknown := set(texts) - KNOWN:
        raise wrong(None, f"{len(unknown)} of the form's fields are none of this endpoint's", "unsupported_parameter")
    if "file" not in form.files or len(form.files) > 1:
        raise wrong("file", "the form must bring one file, called file")
    if not form.files["file"]:
        raise wrong("file", "the file is empty", "invalid_audio")
    model = texts.get("model", "default")
    if model != own and not EARS.fullmatch(model):
        raise RequestError(
            f"there is no such model to hear with: take default ({own})",
            status=404,
            code="model_not_found",
            param="model",
        )
    if texts.get("language", "en").lower() not in ENGLISH:
        raise wrong("language", "this ear knows English only", "unsupported_parameter")
    for name, harmless in (("prompt", ""), ("chunking_strategy", "auto"), ("timestamp_granularities[]", "segment")):
        if texts.get(name, harmless) != harmless:
            raise wrong(name, f"{name} is not supported by this service", "unsupported_parameter")
    check_temperature(texts.get("temperature", "0"))
    return Transcription(form.files["file"], format_of(texts), stream_of(texts))


def one_of_each(form: Form) -> Mapping[str, str]:
    """The form's texts; RequestError for a name that comes twice."""
    if any(len(values) > 1 for values in form.texts.values()):
        raise wrong(None, "a field of the form is there twice")
    return {name: values[0] for name, values in form.texts.items()}


def format_of(texts: Mapping[str, str]) -> str:
    """How the text is wanted."""
    wanted = texts.get("response_format", "json")
    if wanted not in TEXT_FORMATS:
        raise wrong("response_format", f"response_format is one of {', '.join(TEXT_FORMATS)}")
    return wanted


def stream_of(texts: Mapping[str, str]) -> bool:
    """Whether it is wanted as it is heard."""
    stream = WORDS.get(texts.get("stream", "false").lower())
    if stream is None:
        raise wrong("stream", "stream is true or false")
    if stream and format_of(texts) != "json":
        raise wrong("stream", "a streamed transcription has the response_format json")
    return stream


def check_temperature(text: str) -> None:
    """It changes nothing: this ear always takes what is likeliest."""
    if not re.fullmatch(r"[01](\.\d+)?", text) or float(text) > 1:
        raise wrong("temperature", "temperature is a number from 0 to 1")


def wrong(param: str | None, message: str, code: str = "invalid_value") -> RequestError:
    """A form that cannot be taken."""
    return RequestError(message, code=code, param=param)


class NamedVoice(Strict):
    """A voice of one's own, as OpenAI's API names it."""

    model_config = ConfigDict(extra="forbid")

    id: str


def name_of(voice: str | NamedVoice) -> str:
    """However it was asked for."""
    return voice if isinstance(voice, str) else voice.id


class SpeechRequest(Strict):
    """POST /v1/audio/speech."""

    model: str = "default"
    input: str = Field(min_length=1, max_length=MOST_CHARACTERS)
    voice: str | NamedVoice = "default"
    response_format: Literal["mp3", "opus", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"

    @field_validator("speed", mode="before")
    @classmethod
    def any_number(cls, value: Any) -> Any:
        """JSON's 1 is 1.0."""
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="before")
    @classmethod
    def only_ours(cls, body: Any) -> Any:
        """What a mouth cannot do is refused."""
        return refuse(body, {"instructions": ("",)})


def check_mouth(model: str, own: str) -> None:
    """`own` is the name of the mouth. RequestError for a model that is not here."""
    if model != own and not MOUTHS.fullmatch(model):
        raise RequestError(
            f"no such model to speak with: take default ({own})",
            status=404,
            code="model_not_found",
            param="model",
        )


def speaker_of(voice: str | NamedVoice, speakers: Sequence[str]) -> int:
    """Which of them a voice means: the first, unless it is another's name. RequestError for one that is not here."""
    name = name_of(voice)
    if name in speakers:
        return speakers.index(name)
    if name in VOICES:
        return 0
    default, *others = speakers
    more = f", or {', '.join(others)}" if others else ""
    raise RequestError(
        f"there is no such voice here: take default ({default}){more}", code="invalid_value", param="voice"
    )
