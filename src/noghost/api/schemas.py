"""What a request may say. In an instance.

Fields that OpenAI's API does not have are ignored; those that it has and that this service cannot honour are
refused with a 400 that names them, never dropped.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.config import JsonDict

from noghost.api.strict import Strict, UnsupportedError, refuse, say_null
from noghost.api.thinking import ThinkingFields
from noghost.api.tool_schema import USE_TOOLS, ToolCall, ToolFields
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
# What asks a service to keep a conversation or its KV state, here and elsewhere (OpenAI, llama-server), and the values
# that ask for nothing of it.
KEPT_ELSEWHERE: dict[str, tuple[Any, ...]] = {
    "prompt_cache_retention": ("in_memory", "in-memory"),
    "previous_response_id": (),
    "conversation": (),
    "cache_prompt": (False,),
    "id_slot": (-1,),
}
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
    tool_calls: list[ToolCall] = Field(default=[])
    tool_call_id: str | None = None
    reasoning_content: str | None = Field(default=None, description="what an earlier turn thought; DeepSeek's field")
    reasoning: str | None = Field(default=None, description="the same; OpenRouter's field")

    @model_validator(mode="before")
    @classmethod
    def refuse_unsupported(cls, message: Any) -> Any:
        """What would change the prompt and cannot be put into it."""
        if isinstance(message, dict) and message.get("function_call") is not None:
            raise UnsupportedError("function_call", USE_TOOLS)
        return refuse(message, {"audio": ()})

    @model_validator(mode="after")
    def of_its_role(self) -> ChatMessage:
        """Only the assistant calls and thinks, and one text says what."""
        if self.role != "assistant" and (self.tool_calls or self.reasoning_content or self.reasoning):
            raise ValueError("tool_calls and reasoning_content belong to messages of the role assistant")
        if self.reasoning and self.reasoning_content not in (None, self.reasoning):
            raise ValueError("reasoning and reasoning_content are the same field; send one of them")
        return self

    def plain(self) -> dict[str, Any]:
        """As the chat template takes it: role and text; parts are joined as llama-server joins them. What the message
        has not is left out."""
        text = "\n".join(part.text for part in self.content) if isinstance(self.content, list) else self.content
        more = {
            "tool_calls": [call.model_dump() for call in self.tool_calls],
            "tool_call_id": self.tool_call_id,
            "reasoning_content": self.reasoning_content or self.reasoning,
        }
        said = {"role": "system" if self.role == "developer" else self.role, "content": text or ""}
        return said | {name: value for name, value in more.items() if value}


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


class ChatOptions(NoghostOptions):
    """This service's own extension, of a conversation."""

    thinking: bool | None = Field(
        default=None, description="whether to think before the answer; null: as the model does"
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
    def most_tokens(self) -> int | None:
        """How many tokens the answer may have; None where nothing is said."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def echoed(self) -> str | None:
        """What the answer begins with; None for nothing."""
        return None

    @property
    def is_one_text(self) -> bool:
        """Whether the answer can be nothing but a single text."""
        return self.n in (None, 1)

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ChatRequest(ToolFields, ThinkingFields, Generation):
    """POST /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1)
    add_generation_prompt: bool = Field(
        default=True, description="open the assistant's turn after the last message; vLLM's field"
    )
    continue_final_message: bool | None = Field(
        default=None, description="go on with a last message of the assistant's; null: where there is one. vLLM's field"
    )
    noghost: ChatOptions = ChatOptions()
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
    def answer_the_last(self) -> ChatRequest:
        """A call waits for its result, and an answer that goes on is past its reasoning."""
        last = self.messages[-1]
        if last.tool_calls:
            raise UnsupportedError("messages", "a message with tool_calls needs their results after it")
        if self.goes_on and (last.reasoning_content or last.reasoning):
            raise UnsupportedError("messages", "a message that is continued takes no reasoning_content; leave it out")
        return self

    @property
    def goes_on(self) -> bool:
        """Whether the answer continues the last message."""
        return self.messages[-1].role == "assistant" and self.continue_final_message is not False

    @property
    def own_switch(self) -> bool | None:
        """Of thinking."""
        return self.noghost.thinking

    @model_validator(mode="after")
    def call_or_json(self) -> ChatRequest:
        """What must be a call is no other JSON."""
        if self.must_call and self.wants_json:
            raise UnsupportedError("response_format", "an answer that must be a call has no response_format")
        return self

    @property
    def is_one_text(self) -> bool:
        """Calls are none."""
        return super().is_one_text and not self.offered

    @property
    def wants_json(self) -> bool:
        """Whether the answer is to be JSON."""
        return self.response_format is not None and self.response_format.type != "text"

    @model_validator(mode="after")
    def end_with_the_json(self) -> ChatRequest:
        """Behind a whole JSON value, or a call, there is nothing to go on with."""
        if self.ignore_eos and self.wants_json:
            raise UnsupportedError("ignore_eos", "ignore_eos has no meaning with this response_format; leave it out")
        if self.ignore_eos and self.must_call:
            raise UnsupportedError("ignore_eos", "ignore_eos has no meaning with this tool_choice; leave it out")
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
        return refuse(body, {"audio": (), "modalities": (["text"],), "web_search_options": ()})


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
