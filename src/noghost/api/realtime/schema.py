"""What the caller's events hold: OpenAI's Realtime API, as it is generally available. In an instance."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from noghost.api.audio_schema import NamedVoice
from noghost.api.strict import Strict, UnsupportedError, refuse
from noghost.api.tool_schema import NAME

MOST_TEXT = 1 << 20
Modalities = Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=1)]
Tokens = Annotated[int, Field(ge=1, le=1 << 20)] | Literal["inf"]


class Closed(Strict):
    """A field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class SoundFormat(Closed):
    """Of sound that comes or goes."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: int | None = None

    @model_validator(mode="after")
    def has_its_rate(self) -> SoundFormat:
        """Each has one."""
        if self.rate not in (None, 24_000 if self.type == "audio/pcm" else 8_000):
            raise ValueError("audio/pcm has the rate 24000, audio/pcmu and audio/pcma have 8000")
        return self


class TurnDetection(Closed):
    """When a turn begins and ends."""

    type: Literal["server_vad", "semantic_vad"]
    threshold: Annotated[float, Field(ge=0.05, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5_000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=32, le=10_000)] = 500
    create_response: bool = True
    interrupt_response: bool = True
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    idle_timeout_ms: None = None


class Transcription(Closed):
    """Whether the caller wants to read what it said."""

    model: str = "default"
    language: str = "en"
    prompt: Literal[""] = ""


class SoundIn(Closed):
    """What comes from the caller."""

    format: SoundFormat = SoundFormat(type="audio/pcm", rate=24_000)
    transcription: Transcription | None = None
    noise_reduction: dict[str, Any] | None = None
    turn_detection: TurnDetection | None = None


class SoundOut(Closed):
    """What goes to the caller."""

    format: SoundFormat = SoundFormat(type="audio/pcm", rate=24_000)
    voice: str | NamedVoice = "default"
    speed: Annotated[float, Field(ge=0.25, le=1.5)] = 1.0


class Sound(Closed):
    """Both ways."""

    input: SoundIn = SoundIn()
    output: SoundOut = SoundOut()


class Tool(Closed):
    """A function that the model may call."""

    type: Literal["function"]
    name: str = Field(pattern=NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class ChosenTool(Closed):
    """The one that it must call."""

    type: Literal["function"]
    name: str = Field(pattern=NAME)


Choice = Literal["none", "auto", "required"] | ChosenTool


class Options(Closed):
    """What a session and one response may both say."""

    output_modalities: Modalities = Field(default=["audio"])
    instructions: str = Field(default="", max_length=MOST_TEXT)
    tools: list[Tool] = Field(default=[])
    tool_choice: Choice = "auto"
    max_output_tokens: Tokens = "inf"
    parallel_tool_calls: bool = True

    @model_validator(mode="before")
    @classmethod
    def only_ours(cls, body: Any) -> Any:
        """What there is not here."""
        return refuse(body, {"prompt": (), "reasoning": ()})


class Extension(Closed):
    """What is not OpenAI's, for who asks for it (docs/realtime.md)."""

    captions: bool = False


class TokenLimits(Closed):
    """Of a conversation."""

    post_instructions: Annotated[int, Field(ge=1, le=1 << 30)] | None = None


class Retention(Closed):
    """How much of a conversation that is too long is kept."""

    type: Literal["retention_ratio"]
    retention_ratio: Annotated[float, Field(ge=0, le=1)]
    token_limits: TokenLimits = TokenLimits()


class Session(Options):
    """What a conversation is set to. `tracing` and `include` are taken and change nothing."""

    type: Literal["realtime"] = "realtime"
    object: Literal["realtime.session"] = "realtime.session"
    id: str = ""
    model: str = "default"
    audio: Sound = Sound()
    tracing: Any = None
    truncation: Literal["auto", "disabled"] | Retention = "auto"
    include: list[str] | None = None
    prompt: None = None
    reasoning: None = None
    expires_at: int | None = None
    noghost: Extension | None = None


class Part(Closed):
    """A piece of an item's content."""

    type: Literal["input_text", "input_audio", "output_text", "output_audio"]
    text: str | None = Field(default=None, max_length=MOST_TEXT)
    audio: str | None = None
    transcript: str | None = Field(default=None, max_length=MOST_TEXT)

    @model_validator(mode="after")
    def has_what_it_says(self) -> Part:
        """Text has a text, sound has sound or what was said."""
        found = self.text if self.type.endswith("text") else self.audio or self.transcript
        if found is None:
            raise ValueError("a part of the content lacks its text, audio or transcript")
        return self


class Item(Closed):
    """Something that was said or done."""

    id: str | None = Field(default=None, pattern="^[a-zA-Z0-9_-]{1,64}$")
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["message", "function_call", "function_call_output", "item_reference"]
    status: Literal["completed", "incomplete", "in_progress"] = "completed"
    role: Literal["system", "user", "assistant"] | None = None
    content: list[Part] | None = None
    call_id: str | None = Field(default=None, max_length=64)
    name: str | None = Field(default=None, pattern=NAME)
    arguments: str | None = Field(default=None, max_length=MOST_TEXT)
    output: str | None = Field(default=None, max_length=MOST_TEXT)

    @model_validator(mode="after")
    def is_whole(self) -> Item:
        """Each kind has its own fields."""
        needed = {
            "message": (self.role, self.content),
            "function_call": (self.name, self.arguments),
            "function_call_output": (self.call_id, self.output),
            "item_reference": (self.id,),
        }[self.type]
        if any(one is None for one in needed):
            raise ValueError("the item lacks a field that its type needs")
        said = "input" if self.role in ("system", "user") else "output"
        if any(not part.type.startswith(said) for part in self.content or ()):
            raise UnsupportedError("content", "the content is not of a type that this role can have")
        return self


class ResponseOptions(Options):
    """One answer; what it does not say is as the session has it."""

    conversation: Literal["auto", "none"] = "auto"
    input: list[Item] | None = None
    metadata: dict[str, str] | None = None
    audio: dict[Literal["output"], SoundOut] | None = None


class ClientEvent(Strict):
    """Any event of the caller's."""

    type: str
    event_id: str | None = Field(default=None, max_length=512)


class Update(ClientEvent):
    """session.update."""

    session: dict[str, Any]


class Append(ClientEvent):
    """input_audio_buffer.append."""

    audio: str


class CreateItem(ClientEvent):
    """conversation.item.create."""

    item: Item
    previous_item_id: str | None = None


class NamesItem(ClientEvent):
    """conversation.item.delete and .retrieve."""

    item_id: str


class Truncate(NamesItem):
    """conversation.item.truncate."""

    content_index: int = Field(default=0, ge=0, le=0)
    audio_end_ms: int = Field(ge=0)


class Create(ClientEvent):
    """response.create."""

    response: ResponseOptions | None = None


class Cancel(ClientEvent):
    """response.cancel."""

    response_id: str | None = None
