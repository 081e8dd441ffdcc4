"""Anthropic's request as the chat request that it stands for. PURE, in an instance.

Where the two differ: tool results are messages of their own; a run of messages of one role is one message, as
Anthropic's API joins them; thinking is `reasoning_content`; a result that is an error begins with ERROR, since no chat
template has a mark for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from noghost.api.errors import validated
from noghost.api.message_schema import (
    CountRequest,
    Message,
    MessagesRequest,
    RedactedThinking,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
)
from noghost.api.schemas import ChatRequest, Part

ERROR = "Error: "
CHOICES = {"auto": "auto", "any": "required", "none": "none"}
EFFORTS = {"max": "xhigh"}  # the most that a chat request knows; all others have the same name
Block = Part | Thinking | RedactedThinking | ToolUse | ToolResult


def chat_request(body: CountRequest) -> ChatRequest:
    """The same as a chat request; RequestError for what that does not take."""
    return validated(ChatRequest, conversation(body) | (sampling(body) if isinstance(body, MessagesRequest) else {}))


def conversation(body: CountRequest) -> dict[str, Any]:
    """What the prompt is made from, and what the answer is held to."""
    fields: dict[str, Any] = {"model": body.model, "messages": list(messages(body))}
    if body.tools:
        fields["tools"] = [function(tool) for tool in body.tools]
    if body.tool_choice:
        named = {"type": "function", "function": {"name": body.tool_choice.name}}
        fields["tool_choice"] = CHOICES.get(body.tool_choice.type, named)
        fields["parallel_tool_calls"] = not body.tool_choice.disable_parallel_tool_use
    if body.thinking and body.thinking.type != "adaptive":
        fields["thinking"] = {"type": body.thinking.type}
    if body.output_config and body.output_config.effort:
        fields["reasoning_effort"] = EFFORTS.get(body.output_config.effort, body.output_config.effort)
    if body.output_config and body.output_config.format:
        schema = {"name": "answer", "schema": body.output_config.format.schema_}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return fields


def sampling(body: MessagesRequest) -> dict[str, Any]:
    """How the answer is drawn, as far as the caller says it."""
    said = {
        "max_tokens": body.max_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "top_k": body.top_k,
        "stop": body.stop_sequences,
        "seed": body.seed,
        "noghost": body.noghost.model_dump(),
    }
    return {name: value for name, value in said.items() if value is not None}


def function(tool: Tool) -> dict[str, Any]:
    """A tool as OpenAI's API has it."""
    told = {"name": tool.name, "parameters": tool.input_schema, "strict": tool.strict}
    return {"type": "function", "function": told | ({"description": tool.description} if tool.description else {})}


def messages(body: CountRequest) -> Iterator[dict[str, Any]]:
    """The conversation, `system` first."""
    if body.system:
        yield {"role": "system", "content": joined(blocks_of(body.system))}
    for role, blocks in turns(body.messages):
        if role == "user":
            yield from of_user(blocks)
        elif role == "assistant":
            yield of_assistant(blocks)
        else:
            yield {"role": role, "content": joined(blocks)}


def turns(messages: Iterable[Message]) -> Iterator[tuple[str, list[Block]]]:
    """Each run of messages of one role as its blocks."""
    for role, run in groupby(messages, key=lambda message: message.role):
        yield role, [block for message in run for block in blocks_of(message.content)]


def blocks_of(content: str | Sequence[Block]) -> Sequence[Block]:
    """A text is short for one block of it."""
    return [Part(type="text", text=content)] if isinstance(content, str) else content


def of_user(blocks: Iterable[Block]) -> Iterator[dict[str, Any]]:
    """Results, each a message, and the text before, between and after them."""
    for are_results, run in groupby(blocks, key=lambda block: isinstance(block, ToolResult)):
        if are_results:
            yield from (of_result(block) for block in run if isinstance(block, ToolResult))
        else:
            yield {"role": "user", "content": joined(run)}


def of_result(result: ToolResult) -> dict[str, Any]:
    """A result, marked where it is an error."""
    text = (ERROR if result.is_error else "") + joined(blocks_of(result.content))
    return {"role": "tool", "tool_call_id": result.tool_use_id, "content": text}


def of_assistant(blocks: Sequence[Block]) -> dict[str, Any]:
    """What was thought, said and called, in this order: a chat request knows no other."""
    thoughts = [block.thinking for block in blocks if isinstance(block, Thinking)]
    calls = [call(block) for block in blocks if isinstance(block, ToolUse)]
    return {
        "role": "assistant",
        "content": joined(blocks),
        **({"reasoning_content": "\n".join(thoughts)} if thoughts else {}),
        **({"tool_calls": calls} if calls else {}),
    }


def call(block: ToolUse) -> dict[str, Any]:
    """A call as OpenAI's API has it."""
    arguments = json.dumps(block.input, ensure_ascii=False)
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}


def joined(blocks: Iterable[Block]) -> str:
    """The text among blocks, joined as parts are (`ChatMessage.plain`)."""
    return "\n".join(block.text for block in blocks if isinstance(block, Part))
