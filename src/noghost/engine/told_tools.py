"""Tools for a model whose chat template shows none: told in the system message, called as Hermes does. PURE, in an
instance.

A call of an earlier turn becomes the text that it was, and results become messages of the user's, which every template
takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

Message = Mapping[str, Any]

TOLD = """You can call these tools. Each is described by a JSON object:
{tools}

To call a tool, write its name and its arguments in this form, and nothing after it:
<tool_call>
{{"name": "NAME", "arguments": {{"KEY": "VALUE"}}}}
</tool_call>
The result comes in the next message, between <tool_response> and </tool_response>."""


def told(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `messages`, whose contents are texts, as a template takes them that knows neither tools nor calls."""
    plain: list[dict[str, Any]] = []
    for is_result, group in groupby(messages, lambda message: message["role"] == "tool"):
        several = list(group)
        plain += [_results(several)] if is_result else [_called(message) for message in several]
    if not tools:
        return plain
    text = TOLD.format(tools="\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools))
    if plain and plain[0]["role"] == "system":
        return [{**plain[0], "content": f"{plain[0]['content']}\n\n{text}".lstrip()}, *plain[1:]]
    return [{"role": "system", "content": text}, *plain]


def _results(messages: Sequence[Message]) -> dict[str, Any]:
    texts = (f"<tool_response>\n{message['content']}\n</tool_response>" for message in messages)
    return {"role": "user", "content": "\n".join(texts)}


def _called(message: Message) -> dict[str, Any]:
    calls = [_written(call["function"]) for call in message.get("tool_calls") or ()]
    content = "\n".join(filter(None, (message["content"], *calls)))
    return {**{key: value for key, value in message.items() if key != "tool_calls"}, "content": content}


def _written(function: Mapping[str, Any]) -> str:
    call = {"name": function["name"], "arguments": json.loads(function["arguments"] or "{}")}
    return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"
