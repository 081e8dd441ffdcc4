"""What a request to /v1/responses may say: OpenAI's fields. In an instance.

Nothing is kept between two requests, so `store` left out means false here, and the answer says so. OpenAI's default
is true.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from pydantic.config import JsonDict

from noghost.api.schemas import (
    KEEP_IT,
    KEPT_ELSEWHERE,
    MOST_TOKENS,
    ONLY_TEXT,
    ChatOptions,
    JsonSchema,
    StreamOptions,
)
from noghost.api.strict import Strict, UnsupportedError, refuse
from noghost.api.thinking import Effort
from noghost.api.tool_schema import MOST_TOOLS, CalledFunction, Function, Named

LOGPROBS = "message.output_text.logprobs"
TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
AGAIN = (
    "is not supported: nothing is kept here; send the earlier items again in input, those of the output as they came"
)
# Asked for, and not to be had: the values that ask for nothing of it, and what to do instead.
REFUSED: dict[str, tuple[Any, ...]] = {
    "store": (False,),
    "previous_response_id": (),
    "conversation": (),
    "background": (False,),
    "prompt": (),
    "truncation": ("disabled",),
    "context_management": ([],),
    "prompt_cache_options": (),
    "moderation": (),
    "reasoning.summary": ("auto",),
    "reasoning.generate_summary": ("auto",),
    "reasoning.context": ("auto",),
    "reasoning.mode": ("standard",),
    "text.verbosity": ("medium",),
    "noghost.capsule": (False,),
    **KEPT_ELSEWHERE,
}
INSTEAD = {
    "store": KEEP_IT,
    "previous_response_id": f"previous_response_id {AGAIN}",
    "conversation": f"conversation {AGAIN}",
    "background": (
        "background is not supported: an instance lives as long as its connection; leave it out, or stream the answer"
    ),
    "prompt": "prompt is not supported: no prompt is kept here; send its text in instructions",
    "truncation": "truncation is not supported: nothing is cut here; leave it out, and send what fits the context",
    "reasoning.summary": (
        "reasoning.summary is not supported: the reasoning comes whole, in the content of its item; leave it out"
    ),
    "noghost.capsule": "capsules are given by /v1/chat/completions and /v1/completions; leave noghost.capsule out",
}
HOSTED = {
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "custom",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "namespace",
    "programmatic_tool_calling",
    "shell",
    "tool_search",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
}
ONLY_FUNCTIONS = "this service runs no tools, and takes those of the type function alone, which the caller runs"
ONLY_THESE_ITEMS = (
    "input takes items of the types message, function_call, function_call_output and reasoning; "
    "nothing is kept here that could be referred to, and no other tools are there"
)
ONLY_LOGPROBS = f"include takes {LOGPROBS} alone: no tools run here, and reasoning comes as text; leave the rest out"
NOT_READABLE = "encrypted reasoning of another service cannot be read here; leave encrypted_content out"
MOST_PAIRS, MOST_KEY_CHARS, MOST_VALUE_CHARS = 16, 64, 512  # of metadata, as OpenAI's API
METADATA: JsonDict = {
    "type": "object",
    "maxProperties": MOST_PAIRS,
    "propertyNames": {"maxLength": MOST_KEY_CHARS},
    "additionalProperties": {"type": "string", "maxLength": MOST_VALUE_CHARS},
}


class TextPart(Strict):
    """One part of an item's text."""

    type: str = Field(json_schema_extra={"enum": list(TEXTS)})
    text: str

    @field_validator("type")
    @classmethod
    def only_text(cls, value: str) -> str:
        """No model here reads anything else."""
        if value not in TEXTS:
            raise ValueError(ONLY_TEXT)
        return value


class MessageItem(Strict):
    """What somebody said; OpenAI's easy message too, which has no type."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[TextPart]


class CallItem(CalledFunction):
    """A call that the model made."""

    type: Literal["function_call"]
    call_id: str


class CallOutputItem(Strict):
    """What the caller's function gave back."""

    type: Literal["function_call_output"]
    call_id: str
    output: str | list[TextPart]


class ReasoningItem(Strict):
    """What the model thought before the item that follows."""

    type: Literal["reasoning"]
    summary: list[TextPart] | None = None
    content: list[TextPart] | None = None

    @model_validator(mode="before")
    @classmethod
    def refuse_encrypted(cls, item: Any) -> Any:
        """Only who encrypted it can read it."""
        return refuse(item, {"encrypted_content": ("",)}, {"encrypted_content": NOT_READABLE})


# No tag is the name of a field: an error's place would show it.
KINDS = {"message": "a message", "function_call": "a call", "function_call_output": "an output", "reasoning": "thought"}


def type_of(value: Any) -> Any:
    """The `type` of an object of the request, read or not."""
    return value.get("type") if isinstance(value, dict) else getattr(value, "type", None)


def kind_of(item: Any) -> str | None:
    """The tag of an item; None for one that is not taken."""
    kind = type_of(item) or "message"
    return KINDS.get(kind) if isinstance(kind, str) else None


Item = Annotated[
    Annotated[MessageItem, Tag("a message")]
    | Annotated[CallItem, Tag("a call")]
    | Annotated[CallOutputItem, Tag("an output")]
    | Annotated[ReasoningItem, Tag("thought")],
    Discriminator(kind_of, custom_error_type="unsupported_item", custom_error_message=ONLY_THESE_ITEMS),
]


class PlainFormat(Strict):
    """Any text, or any JSON object."""

    type: Literal["text", "json_object"]


class SchemaFormat(JsonSchema):
    """JSON by a schema."""

    type: Literal["json_schema"]


Format = Annotated[
    Annotated[PlainFormat, Tag("plain")] | Annotated[SchemaFormat, Tag("by schema")],
    Discriminator(lambda value: "by schema" if type_of(value) == "json_schema" else "plain"),
]


class TextOptions(Strict):
    """What the answer's text is like."""

    format: Format | None = None


class ReasoningOptions(Strict):
    """How much the model thinks."""

    effort: Effort | None = None
    summary: Literal["auto"] | None = None


def only_functions(value: Any) -> Any:
    """Raise for another tool. One of OpenAI's is named; another text is the caller's, and is not repeated."""
    kind = type_of(value)
    if isinstance(kind, str) and kind != "function":
        raise ValueError(f"{kind if kind in HOSTED else 'this tool'} is not supported: {ONLY_FUNCTIONS}")
    return value


class FunctionTool(Function):
    """A function that the caller runs."""

    type: Literal["function"]

    _only_functions = model_validator(mode="before")(only_functions)


class NamedFunction(Named):
    """The one tool to call."""

    type: Literal["function"]


class ResponsesRequest(Strict):
    """POST /v1/responses. Where nothing is said, a chat request's defaults hold."""

    model: str = "default"
    input: Annotated[list[Item], Field(min_length=1)] | str
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    seed: int | None = Field(
        default=None, ge=-(2**63), lt=2**63, description="this service's own, as of a chat request"
    )
    text: TextOptions = TextOptions()
    tools: list[FunctionTool] = Field(default=[], max_length=MOST_TOOLS)
    tool_choice: Literal["none", "auto", "required"] | NamedFunction = "auto"
    parallel_tool_calls: bool = True
    reasoning: ReasoningOptions = ReasoningOptions()
    include: list[str] | None = Field(default=None, json_schema_extra={"items": {"type": "string", "enum": [LOGPROBS]}})
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    metadata: dict[str, str] | None = Field(default=None, json_schema_extra={"anyOf": [METADATA, {"type": "null"}]})
    stream: bool = False
    stream_options: StreamOptions | None = None
    noghost: ChatOptions = ChatOptions()

    @model_validator(mode="before")
    @classmethod
    def refuse_unsupported(cls, body: Any) -> Any:
        """What we know of and cannot honour."""
        return refuse(body, REFUSED, INSTEAD)

    _only_functions = field_validator("tool_choice", mode="before")(only_functions)

    @field_validator("include")
    @classmethod
    def only_logprobs(cls, value: list[str] | None) -> list[str] | None:
        """What more can be put into an answer."""
        if set(value or ()) - {LOGPROBS}:
            raise UnsupportedError("include", ONLY_LOGPROBS)
        return value

    @field_validator("metadata")
    @classmethod
    def few_pairs(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        """OpenAI's bounds."""
        pairs = value or {}
        too_long = any(len(key) > MOST_KEY_CHARS or len(text) > MOST_VALUE_CHARS for key, text in pairs.items())
        if len(pairs) > MOST_PAIRS or too_long:
            bounds = f"keys of {MOST_KEY_CHARS} characters and values of {MOST_VALUE_CHARS}"
            raise ValueError(f"metadata takes {MOST_PAIRS} pairs, {bounds}")
        return value

    @property
    def wants_logprobs(self) -> bool:
        """Whether the tokens' probabilities are asked for, in either way."""
        return bool(self.include or self.top_logprobs)
