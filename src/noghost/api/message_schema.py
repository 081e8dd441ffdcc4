"""What a request to /v1/messages and /v1/messages/count_tokens may say: Anthropic's API. In an instance.

As everywhere here: a field that nobody knows is ignored, one that is known and cannot be honoured is refused. The
shapes are those of Anthropic's Python package (`anthropic.types`). `cache_control`, wherever it stands, is one of those
that are ignored: it changes no answer, and nothing is kept.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from noghost.api.schemas import KEPT_ELSEWHERE, MOST_STOPS, MOST_TOKENS, NoghostOptions, Part
from noghost.api.strict import Strict, UnsupportedError, refuse, say_null
from noghost.api.tool_schema import MOST_TOOLS, NAME

# What Anthropic's API has and this service has not, and the values of it that ask for nothing.
NOT_HERE: dict[str, tuple[Any, ...]] = {
    "container": (),
    "mcp_servers": ([],),
    "context_management": ({}, {"edits": []}),
    "diagnostics": ({}, {"previous_message_id": None}),
    "speed": ("standard",),
    "inference_geo": (),
    "store": (False,),
}
NOT_OF_A_TOOL: dict[str, tuple[Any, ...]] = {
    "allowed_callers": (["direct"],),
    "defer_loading": (False,),
    "input_examples": ([],),
}
# How the types of tools begin that run on Anthropic's servers, or whose schema only Anthropic's models have learnt.
ANTHROPICS_TOOLS = (
    "bash",
    "browser",
    "code_execution",
    "computer",
    "mcp_toolset",
    "memory",
    "text_editor",
    "tool_search",
    "web_fetch",
    "web_search",
)
OTHER_TOOL = "are not supported by this service; send a tool with a name and an input_schema, and run it yourself"
OTHER_BLOCK = (
    "only blocks of type {} are supported here: no model of this service reads images, documents or what the tools of "
    "another service wrote; send what is in them as text"
)
OTHER_ROLE = "role must be user, assistant or system"
GO_ON_WITH_TEXT = (
    "the answer goes on with a last message of the assistant's, and so that takes text alone; send a tool_use with its "
    "tool_result after it"
)

NO_CAPSULE = "noghost.capsule is not supported in messages; ask /v1/chat/completions for one"


def kind_of(block: Any) -> str | None:
    """The tag of a union's member; a text has two names (`Part`)."""
    found = tag(block, "type")
    return "text" if found == "input_text" else found


def role_of(message: Any) -> str | None:
    """The same of a message."""
    return tag(message, "role")


def tag(value: Any, name: str) -> str | None:
    """A text under `name`, in JSON or in what was made of it."""
    found = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return found if isinstance(found, str) else None


def among(tag: Any, message: str) -> Discriminator:
    """A choice by `tag`, whose error is `message`: pydantic's own would repeat what the caller wrote."""
    return Discriminator(tag, custom_error_type="other_tag", custom_error_message=message)


class Thinking(Strict):
    """What a model thought in an earlier turn; the signature is its maker's matter."""

    type: Literal["thinking"]
    thinking: str


class RedactedThinking(Strict):
    """The same, legible only to who made it: taken, and not shown to the model."""

    type: Literal["redacted_thinking"]


class ToolUse(Strict):
    """A call that the model has made."""

    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(pattern=NAME)
    input: dict[str, Any]


class ToolResult(Strict):
    """What came of a call."""

    type: Literal["tool_result"]
    tool_use_id: str = Field(min_length=1)
    content: str | list[Part] = ""
    is_error: bool = False


Text = Annotated[Part, Tag("text")]
UserBlock = Annotated[
    Text | Annotated[ToolResult, Tag("tool_result")],
    among(kind_of, OTHER_BLOCK.format("text and tool_result")),
]
AssistantBlock = Annotated[
    Text
    | Annotated[Thinking, Tag("thinking")]
    | Annotated[RedactedThinking, Tag("redacted_thinking")]
    | Annotated[ToolUse, Tag("tool_use")],
    among(kind_of, OTHER_BLOCK.format("text, thinking, redacted_thinking and tool_use")),
]


class UserMessage(Strict):
    """What the caller says, and what came of calls."""

    role: Literal["user"]
    content: str | Annotated[list[UserBlock], Field(min_length=1)]


class AssistantMessage(Strict):
    """What a model has said, or is to go on with."""

    role: Literal["assistant"]
    content: str | Annotated[list[AssistantBlock], Field(min_length=1)]


class SystemMessage(Strict):
    """Instructions from here on."""

    role: Literal["system"]
    content: str | list[Part]


Message = Annotated[
    Annotated[UserMessage, Tag("user")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[SystemMessage, Tag("system")],
    among(role_of, OTHER_ROLE),
]


class Tool(Strict):
    """A tool that the caller runs."""

    type: Literal["custom"] | None = None
    name: str = Field(pattern=NAME)
    description: str | None = None
    input_schema: dict[str, Any]
    strict: bool = False

    @model_validator(mode="before")
    @classmethod
    def refuse_others(cls, tool: Any) -> Any:
        """Tools that are Anthropic's own, by name; and what cannot be done for any tool."""
        kind = tag(tool, "type") or "custom"
        if kind != "custom":
            name = next((name for name in ANTHROPICS_TOOLS if kind.startswith(name)), "this kind")
            raise UnsupportedError("tools", f"tools: Anthropic's own tools ({name}) {OTHER_TOOL}")
        return refuse(tool, NOT_OF_A_TOOL)


def say_named(schema: dict[str, Any]) -> None:
    """In the document: a name with the type tool."""
    say_null(schema)
    named = {"properties": {"type": {"const": "tool"}, "name": {"type": "string"}}, "required": ["name"]}
    schema["oneOf"] = [named, {"properties": {"type": {"enum": ["auto", "any", "none"]}}}]


class ToolChoice(Strict):
    """Which tools the answer may or must call."""

    model_config = ConfigDict(json_schema_extra=say_named)
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = Field(default=None, description="with the type tool: which")
    disable_parallel_tool_use: bool = False

    @model_validator(mode="after")
    def with_its_name(self) -> ToolChoice:
        """One tool is named."""
        if self.type == "tool" and self.name is None:
            raise ValueError("tool_choice takes name with the type tool")
        return self


class ThinkingOptions(Strict):
    """Whether the model thinks before it answers; without it, as its template has it."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: int | None = Field(default=None, ge=1, description="taken, not kept to: max_tokens bounds both")
    display: Literal["summarized", "omitted"] | None = Field(default=None, description="omitted: no thinking blocks")


class AnswerFormat(Strict):
    """The schema that the answer's text is held to."""

    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputOptions(Strict):
    """Anthropic's `output_config`."""

    format: AnswerFormat | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class CountRequest(Strict):
    """POST /v1/messages/count_tokens: what a message is made from."""

    model: str = "default"
    messages: list[Message] = Field(min_length=1)
    system: str | list[Part] | None = None
    tools: list[Tool] | None = Field(default=None, max_length=MOST_TOOLS)
    tool_choice: ToolChoice | None = None
    thinking: ThinkingOptions | None = None
    output_config: OutputOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def refuse_unsupported(cls, body: Any) -> Any:
        """What we know of and cannot honour."""
        return refuse(body, KEPT_ELSEWHERE | NOT_HERE)

    @field_validator("messages")
    @classmethod
    def go_on_with_text(cls, messages: list[Message]) -> list[Message]:
        """Of a last message of the assistant's only the text can be gone on with."""
        last = messages[-1]
        blocks = [] if isinstance(last.content, str) else last.content
        if last.role == "assistant" and not all(isinstance(block, Part) for block in blocks):
            raise ValueError(GO_ON_WITH_TEXT)
        return messages


class MessagesRequest(CountRequest):
    """POST /v1/messages."""

    max_tokens: int = Field(ge=1, le=MOST_TOKENS)
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0, le=MOST_TOKENS)
    stop_sequences: list[Annotated[str, Field(min_length=1)]] | None = Field(default=None, max_length=MOST_STOPS)
    stream: bool = False
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63, description="this service's own")
    noghost: NoghostOptions = NoghostOptions()

    @field_validator("noghost")
    @classmethod
    def no_capsule(cls, value: NoghostOptions) -> NoghostOptions:
        """A message leaves no room for one."""
        if value.capsule:
            raise UnsupportedError("noghost.capsule", NO_CAPSULE)
        return value
