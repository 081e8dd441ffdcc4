"""What a request may say. In an instance.

Fields that OpenAI's API does not have are ignored; those that it has and that this service cannot honour are
refused with a 400 that names them, never dropped.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict

from noghost.engine.schema import Schema

MOST_TOKENS = 2**31 - 1
MOST_STOPS = 16
MOST_CHOICES = 128  # as OpenAI's API
KEEP_IT = "store is not supported: nothing is kept here; keep the answer yourself, and leave store out"
ONLY_TEXT = (
    "content parts other than text (images, sound, files) are not supported by this service: no model here reads them; "
    "send text parts alone, and what is in a picture as text"
)
TOKEN_ID = re.compile(r"[0-9]{1,10}")
HALF_PAIR = re.compile("[\ud800-\udfff]")
# What asks a service to keep a conversation or its KV state, here and elsewhere (OpenAI, llama-server), and the values
# that ask for nothing of it.
KEPT_ELSEWHERE: dict[str, tuple[Any, ...]] = {
    "prompt_cache_retention": ("in_memory", "in-memory"),
    "previous_response_id": (),
    "conversation": (),
    "cache_prompt": (False,),
    "id_slot": (-1,),
}
OPENING = "open the assistant's turn after the last message; vLLM's field"
CONTINUING = "go on with the text of a last message that is the assistant's; null: where there is one. vLLM's field"
# What our own checks below ask for, as the document says it.
SOME: JsonDict = {"type": "string", "minLength": 1}
STOP: JsonDict = {"anyOf": [SOME, {"type": "array", "items": SOME, "maxItems": MOST_STOPS}, {"type": "null"}]}
BIAS: JsonDict = {"type": "number", "minimum": -100, "maximum": 100}
BIASES: JsonDict = {
    "type": "object",
    "propertyNames": {"pattern": f"^{TOKEN_ID.pattern}$"},
    "additionalProperties": BIAS,
}
LOGIT_BIAS: JsonDict = {"anyOf": [BIASES, {"type": "null"}]}


class UnsupportedError(ValueError):
    """The caller asks for what this service has not. `param` is one of our words, never the caller's."""

    def __init__(self, param: str, message: str = "") -> None:
        super().__init__(message or f"{param} is not supported by this service")
        self.param = param


def refuse(body: Any, fields: dict[str, tuple[Any, ...]]) -> Any:
    """Raise for the first field of `fields` whose value is set and is not one of the harmless ones."""
    if isinstance(body, dict):
        for name, harmless in fields.items():
            if body.get(name) is not None and body[name] not in harmless:
                raise UnsupportedError(name)
    return body


FIELDS: set[str] = set()  # the names of all fields of all requests: ours, and so fit for an error


def whole(value: Any, depth: int = 2) -> Any:
    """1 for 1.0, in lists and lists of lists too; any other value as it is."""
    if depth and isinstance(value, list):
        return [whole(one, depth - 1) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def say_null(schema: dict[str, Any]) -> None:
    """In the document: null is the default of whatever has one."""
    for name, field in schema.get("properties", {}).items():
        kinds = field.get("anyOf", [])
        if name not in schema.get("required", ()) and {"type": "null"} not in kinds:
            about = {key: field.pop(key) for key in ("title", "description", "default") if key in field}
            schema["properties"][name] = {"anyOf": [*(kinds or [field]), {"type": "null"}], **about}


class Strict(BaseModel):
    """No value is taken for another type; null is the default, as in OpenAI's API."""

    model_config = ConfigDict(strict=True, json_schema_extra=say_null)

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: Any) -> None:
        FIELDS.update(field.alias or name for name, field in cls.model_fields.items())

    @field_validator("*", mode="before")
    @classmethod
    def null_is_default(cls, value: Any, info: ValidationInfo) -> Any:
        """Put the default of the field for null."""
        field = cls.model_fields[str(info.field_name)]
        return field.default if value is None and not field.is_required() else value

    @field_validator("*", mode="before")
    @classmethod
    def whole_numbers(cls, value: Any) -> Any:
        """JSON does not tell 1.0 from 1, and some languages write it so."""
        return whole(value)

    @field_validator("*", mode="before")
    @classmethod
    def whole_characters(cls, value: Any) -> Any:
        """JSON's escapes can spell half of a surrogate pair, which no tokeniser takes."""
        if isinstance(value, str) and HALF_PAIR.search(value):
            raise ValueError("a text holds half of a surrogate pair, which is not Unicode")
        return value


class Part(Strict):
    """One part of a message's content."""

    type: str = Field(json_schema_extra={"enum": ["text", "input_text"]})
    text: str

    @field_validator("type")
    @classmethod
    def only_text(cls, value: str) -> str:
        """Images and sound are not taken yet."""
        if value not in ("text", "input_text"):
            raise ValueError(ONLY_TEXT)
        return value


class ChatMessage(Strict):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None

    @model_validator(mode="before")
    @classmethod
    def refuse_unsupported(cls, message: Any) -> Any:
        """What would change the prompt and cannot be put into it."""
        return refuse(message, {"tool_calls": ([],), "function_call": (), "audio": ()})

    def plain(self) -> dict[str, str]:
        """As the chat template takes it: role and text; parts are joined as llama-server joins them."""
        role = "system" if self.role == "developer" else self.role
        if isinstance(self.content, list):
            return {"role": role, "content": "\n".join(part.text for part in self.content)}
        return {"role": role, "content": self.content or ""}


class StreamOptions(Strict):
    """OpenAI's `stream_options`."""

    include_usage: bool = False
    include_obfuscation: bool | None = Field(
        default=None, description="events filled up to one size; null: where this service speaks TLS"
    )


class JsonSchema(Strict):
    """A schema with a name; whether `strict` or not, an answer is held to it."""

    name: str = Field(pattern="^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


def say_which(schema: dict[str, Any]) -> None:
    """In the document: what `with_its_schema` asks for."""
    say_null(schema)
    without = {"type": {"enum": ["text", "json_object"]}, "json_schema": {"type": "null"}}
    with_one = {"type": {"const": "json_schema"}, "json_schema": {"type": "object"}}
    schema["anyOf"] = [{"properties": without}, {"properties": with_one, "required": ["json_schema"]}]


class ResponseFormat(Strict):
    """OpenAI's `response_format`."""

    model_config = ConfigDict(json_schema_extra=say_which)
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def with_its_schema(self) -> ResponseFormat:
        """A schema comes with the type that is named after it."""
        if (self.json_schema is not None) != (self.type == "json_schema"):
            raise ValueError("response_format takes json_schema with the type json_schema, and with no other")
        return self

    @property
    def schema_of_answer(self) -> Schema | None:
        """What the answer is held to."""
        if self.json_schema is not None:
            return Schema(self.json_schema.schema_)
        return Schema({"type": "object"}) if self.type == "json_object" else None


class ThreadOptions(Strict):
    """This service's own extension, of whatever computes."""

    model_config = ConfigDict(extra="forbid")
    threads: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="exactly so many threads, at most the service's own: the same seed then gives the same bytes",
    )


class NoghostOptions(ThreadOptions):
    """This service's own extension, of an answer."""

    record_seed: bool = Field(
        default=False, description="put the seed into the receipt: a number that you may have chosen"
    )
    path: bool = Field(default=False, description="tell in path_ms how long each step took, from the knock on")
    capsule: bool = Field(
        default=False, description="give me my KV state, sealed under the key in the header noghost-capsule-key"
    )


class Generation(Strict):
    """What chat and text completions share. Defaults of the sampler are llama.cpp's."""

    model: str = "default"
    max_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS, description="goes before max_tokens")
    temperature: float = Field(default=0.8, ge=0, le=2)
    top_p: float = Field(default=0.95, ge=0, le=1)
    top_k: int = Field(default=40, ge=0, le=MOST_TOKENS)
    min_p: float = Field(default=0.05, ge=0, le=1)
    repeat_penalty: float = Field(default=1.0, gt=0, le=4)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    logit_bias: dict[str, float] | None = Field(default=None, json_schema_extra=LOGIT_BIAS)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)  # the document rounds to a float: 2^63 - 1 is none
    stop: str | list[str] | None = Field(default=None, json_schema_extra=STOP)
    stream: bool = False
    stream_options: StreamOptions | None = None
    ignore_eos: bool = Field(default=False, description="go on after the end of text, up to max_tokens")
    n: int | None = Field(
        default=None, ge=1, le=MOST_CHOICES, description="so many answers, one after the other; each seed is one more"
    )
    noghost: NoghostOptions = NoghostOptions()

    @field_validator("stop")
    @classmethod
    def few_stops(cls, value: str | list[str] | None) -> str | list[str] | None:
        """At most MOST_STOPS, none of them empty."""
        stops = [value] if isinstance(value, str) else value or []
        if len(stops) > MOST_STOPS or not all(stops):
            raise ValueError(f"stop takes 1 to {MOST_STOPS} strings, none of them empty")
        return value

    @field_validator("logit_bias")
    @classmethod
    def token_ids(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        """Keys are token ids, values from -100 to 100."""
        for key, bias in (value or {}).items():
            if not TOKEN_ID.fullmatch(key) or not -100 <= bias <= 100:
                raise ValueError("logit_bias maps token ids to numbers from -100 to 100")
        return value

    @model_validator(mode="after")
    def one_with_a_capsule(self) -> Generation:
        """A capsule holds one conversation."""
        if self.noghost.capsule and self.n not in (None, 1):
            raise UnsupportedError("n", "a capsule is given with one choice alone; leave n out")
        if self.noghost.capsule and self.max_tokens == 0:
            raise UnsupportedError("max_tokens", "a capsule is given with an answer; ask for one token at least")
        return self

    @model_validator(mode="before")
    @classmethod
    def refuse_storage(cls, body: Any) -> Any:
        """Nothing is kept, whoever asks."""
        if isinstance(body, dict) and body.get("store"):
            raise UnsupportedError("store", KEEP_IT)
        return refuse(body, KEPT_ELSEWHERE)

    @property
    def most_logprobs(self) -> int | None:
        """How many likeliest tokens each token of the answer comes with; None without logprobs."""
        return None

    @property
    def held_to(self) -> Schema | None:
        """The schema that the answer is held to. Raises RequestError for one that it cannot be held to."""
        return None

    @property
    def most_tokens(self) -> int | None:
        """How many tokens the answer may have; None where nothing is said."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def echoed(self) -> str | None:
        """What the answer begins with; None for nothing."""
        return None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ChatRequest(Generation):
    """POST /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1)
    add_generation_prompt: bool = Field(default=True, description=OPENING)
    continue_final_message: bool | None = Field(default=None, description=CONTINUING)
    response_format: ResponseFormat | None = None
    logprobs: bool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)

    @model_validator(mode="after")
    def ask_for_both(self) -> ChatRequest:
        """OpenAI's API wants the one with the other."""
        if self.top_logprobs is not None and not self.logprobs:
            raise UnsupportedError("top_logprobs", "top_logprobs needs logprobs: true")
        return self

    @model_validator(mode="after")
    def end_with_the_json(self) -> ChatRequest:
        """Behind a whole JSON value there is nothing to go on with."""
        if self.ignore_eos and self.response_format is not None and self.response_format.type != "text":
            raise UnsupportedError("ignore_eos", "ignore_eos has no meaning with this response_format; leave it out")
        return self

    @property
    def most_logprobs(self) -> int | None:
        """How many likeliest tokens each token of the answer comes with; None without logprobs."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def held_to(self) -> Schema | None:
        """The schema that the answer is held to. Raises RequestError for one that it cannot be held to."""
        return self.response_format.schema_of_answer if self.response_format else None

    @model_validator(mode="before")
    @classmethod
    def refuse_unsupported(cls, body: Any) -> Any:
        """What we know of and cannot honour."""
        return refuse(
            body,
            {
                "tools": ([],),
                "tool_choice": ("none", "auto"),
                "functions": ([],),
                "function_call": ("none", "auto"),
                "audio": (),
                "modalities": (["text"],),
                "web_search_options": (),
            },
        )


class CompletionRequest(Generation):
    """POST /v1/completions."""

    prompt: str = Field(min_length=1)
    suffix: str | None = Field(default=None, description="what comes after the answer; not every model can")
    echo: bool = Field(default=False, description="begin the answer with the prompt, and logprobs with its tokens")
    max_tokens: int | None = Field(default=None, ge=0, le=MOST_TOKENS)
    logprobs: int | None = Field(default=None, ge=0, le=5)

    @property
    def echoed(self) -> str | None:
        """What the answer begins with; None for nothing."""
        return self.prompt if self.echo else None

    @model_validator(mode="after")
    def look_at_one_text(self) -> CompletionRequest:
        """The tokens of a prompt with a suffix are not those of its text alone."""
        if self.echo and self.suffix and self.logprobs is not None:
            raise UnsupportedError("echo", "echo with logprobs is not supported beside suffix; leave one of them out")
        return self

    @property
    def most_logprobs(self) -> int | None:
        """How many likeliest tokens each token of the answer comes with; None without logprobs."""
        return self.logprobs

    @model_validator(mode="before")
    @classmethod
    def refuse_unsupported(cls, body: Any) -> Any:
        """What we know of and cannot honour."""
        if isinstance(body, dict) and isinstance(body.get("prompt"), list):
            raise UnsupportedError("prompt", "prompt takes one string; several prompts or token ids are not supported")
        return refuse(body, {"best_of": (1,)})
