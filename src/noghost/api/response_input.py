"""A request to /v1/responses as the chat request that asks for the same. PURE, in an instance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from noghost.api.errors import validated
from noghost.api.response_schema import (
    CallItem,
    CallOutputItem,
    FunctionTool,
    MessageItem,
    NamedFunction,
    ReasoningItem,
    ResponsesRequest,
    SchemaFormat,
    TextOptions,
    TextPart,
)
from noghost.api.schemas import ChatRequest

# What a chat request calls the fields; the longer first.
RENAMED = (
    ("response_format.json_schema", "text.format"),
    ("response_format", "text.format"),
    ("max_completion_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("thinking", "reasoning.effort"),
)
Message = dict[str, Any]


def chat_of(body: ResponsesRequest) -> ChatRequest:
    """The chat request. Raises RequestError, with the field as a chat request calls it (see `as_asked`)."""
    asked = {
        "model": body.model,
        "messages": list(messages_of(body)),
        "continue_final_message": False,  # OpenAI's API begins a new item after whatever came last
        "max_completion_tokens": body.max_output_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "seed": body.seed,
        "response_format": format_of(body.text),
        "tools": [tool_of(tool) for tool in body.tools],
        "tool_choice": choice_of(body.tool_choice),
        "parallel_tool_calls": body.parallel_tool_calls,
        "reasoning_effort": body.reasoning.effort,
        "logprobs": body.wants_logprobs,
        "top_logprobs": body.top_logprobs if body.wants_logprobs else None,
        "noghost": body.noghost,
    }
    return validated(ChatRequest, {name: value for name, value in asked.items() if value is not None})


def as_asked(param: str | None) -> str | None:
    """A field of the chat request as the caller knows it."""
    if param is None:
        return None
    if param.startswith("messages"):
        return "input"
    for chat, own in RENAMED:
        if param.startswith(chat):
            return own + param.removeprefix(chat)
    return param.replace(".function", "")


def messages_of(body: ResponsesRequest) -> Iterator[Message]:
    """The conversation: instructions first, then the items, those of one turn of the assistant's in one message."""
    if body.instructions is not None:
        yield {"role": "system", "content": body.instructions}
    if isinstance(body.input, str):
        yield {"role": "user", "content": body.input}
        return
    turn: Message = {}
    for item in body.input:
        if turn and not goes_on(turn, item):
            yield turn
            turn = {}
        if isinstance(item, CallOutputItem):
            yield {"role": "tool", "tool_call_id": item.call_id, "content": parts_of(item.output)}
        elif isinstance(item, MessageItem) and item.role != "assistant":
            yield {"role": item.role, "content": parts_of(item.content)}
        else:
            turn = {"role": "assistant", **turn, **added(turn, item)}
    if turn:
        yield turn


def goes_on(turn: Message, item: Any) -> bool:
    """Whether the item belongs to the message: in one turn reasoning comes first, then words, then calls."""
    if isinstance(item, CallItem):
        return True
    if isinstance(item, MessageItem) and item.role == "assistant":
        return "content" not in turn and "tool_calls" not in turn
    return isinstance(item, ReasoningItem) and turn.keys() <= {"role"}


def added(turn: Message, item: MessageItem | CallItem | ReasoningItem) -> Message:
    """What an item adds to the assistant's message."""
    match item:
        case MessageItem():
            return {"content": parts_of(item.content)}
        case CallItem():
            function = {"name": item.name, "arguments": item.arguments}
            call = {"id": item.call_id, "type": "function", "function": function}
            return {"tool_calls": [*turn.get("tool_calls", ()), call]}
        case ReasoningItem():
            return {"reasoning_content": "\n".join(part.text for part in item.content or item.summary or ())}


def parts_of(content: str | Sequence[TextPart]) -> str | list[dict[str, str]]:
    """The content as a chat message has it."""
    return content if isinstance(content, str) else [{"type": "text", "text": part.text} for part in content]


def format_of(text: TextOptions) -> dict[str, Any] | None:
    """OpenAI's `response_format`."""
    if not isinstance(text.format, SchemaFormat):
        return {"type": text.format.type} if text.format else None
    told = text.format.model_dump(by_alias=True, exclude={"type"}, exclude_none=True)
    return {"type": "json_schema", "json_schema": told}


def tool_of(tool: FunctionTool) -> dict[str, Any]:
    """A tool as a chat request has it."""
    return {"type": "function", "function": tool.model_dump(exclude={"type"}, exclude_none=True)}


def choice_of(choice: str | NamedFunction) -> Any:
    """OpenAI's `tool_choice` of a chat request."""
    if isinstance(choice, NamedFunction):
        return {"type": "function", "function": {"name": choice.name}}
    return choice
