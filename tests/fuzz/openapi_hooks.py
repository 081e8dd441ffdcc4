"""What schemathesis must know of this service: an answer may be long, a token's id is below the vocabulary's size,
threads are at most the service's own, a bound of 2^63 stands in the document as a float, not every schema is one that
an answer is held to, and what one field or another model makes possible a schema cannot say.

Loaded by its command, in a process of its own. Nothing that is wrong is put right here: only numbers that the
document allows, and that would compute for minutes or that this model or machine has not, are made small.
"""

from __future__ import annotations

import re
from typing import Any

import schemathesis

MOST_TOKENS = 2
DOCUMENTED_MOST_TOKENS = 2**31 - 1
DOCUMENTED_MOST_THREADS = 256
MOST_INPUTS = 8
DOCUMENTED_MOST_INPUTS = 2048
VOCABULARY_TOKENS = 49_152  # of the default model
DIMENSIONS = 576


def known(value: Any) -> Any:
    """The same with tokens that this model has in the place of others that the document allows, and with a word in
    every text: some control characters have no token, and a text of these alone is empty. Of many inputs a few."""
    if isinstance(value, list):
        return [known(one) for one in (value if len(value) > DOCUMENTED_MOST_INPUTS else value[:MOST_INPUTS])]
    if isinstance(value, str) and value:
        return f"Hi{value}"
    return int(value) % VOCABULARY_TOKENS if is_whole(value) and 0 <= value <= DOCUMENTED_MOST_TOKENS else value


def is_whole(value: Any) -> bool:
    """What JSON Schema calls an integer: 1.0 is one."""
    return type(value) is int or (type(value) is float and value.is_integer())


def apart(tool: Any, number: int) -> None:
    """Give a right tool a name of its own, and arguments that a call can be held to; Anthropic's is its function."""
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if isinstance(function, dict) and re.fullmatch("[a-zA-Z0-9_-]{1,64}", str(function.get("name", ""))):
        function["name"] = f"f{number}"
    for name in ("parameters", "input_schema"):
        if isinstance(function, dict) and isinstance(function.get(name), dict):
            function[name] = {}


def unspoken(message: Any) -> None:
    """Leave out of a message what depends on its role, or on being JSON."""
    for name in ("tool_calls", "reasoning", "reasoning_content") if isinstance(message, dict) else ():
        message.pop(name, None)


def answered(item: Any) -> list[Any]:
    """An item of /v1/responses; a call with arguments that are JSON, and with its result."""
    if not isinstance(item, dict) or item.get("type") != "function_call":
        return [item]
    if isinstance(item.get("arguments"), str):
        item["arguments"] = "{}"
    return [item, {"type": "function_call_output", "call_id": item.get("call_id"), "output": "Hi"}]


def can_go_on(message: Any) -> bool:
    """Whether an answer can go on with it, if it is the last one."""
    blocks = message.get("content") if isinstance(message, dict) else None
    kinds = [block.get("type") for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    return not {"thinking", "redacted_thinking", "tool_use"} & {kind for kind in kinds if isinstance(kind, str)}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Right before a request leaves."""
    body = case.body
    if not isinstance(body, dict):
        return
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        value = body.get(name)
        if is_whole(value) and MOST_TOKENS < value <= DOCUMENTED_MOST_TOKENS:
            body[name] = MOST_TOKENS
    for name in ("max_tokens", "max_output_tokens"):
        if body.get(name) is None:
            body[name] = MOST_TOKENS
    own = body.get("noghost")
    if isinstance(own, dict) and is_whole(own.get("threads")) and 1 < own["threads"] <= DOCUMENTED_MOST_THREADS:
        own["threads"] = 1
    if isinstance(own, dict) and own.get("capsule") is True:
        own["capsule"] = False  # needs a key in a header, which a schema cannot say
    if type(body.get("seed")) is int and abs(body["seed"]) // 1024 == 2**63 // 1024:
        body["seed"] = 2**63 - 1
    if is_whole(body.get("dimensions")) and body["dimensions"] >= 1:
        body["dimensions"] = DIMENSIONS
    if body.get("suffix"):
        body["suffix"] = ""  # needs a model that was trained with one
    if body.get("continue_final_message") is True:
        body["continue_final_message"] = None  # needs a last message of the assistant's
    if body.get("messages"):
        body["add_special_tokens"] = body["add_special"] = None  # true would be refused
    if body.get("logprobs") is not True:
        body["top_logprobs"] = None  # needs the other
    for name in {"tokens", "input", "prompt"} & set(body):
        body[name] = known(body[name])
    held, text = body.get("response_format"), body.get("text")
    output = body.get("output_config")
    inner = (
        held.get("json_schema") if isinstance(held, dict) else text.get("format") if isinstance(text, dict) else None
    )
    inner = output.get("format") if isinstance(output, dict) else inner
    if isinstance(inner, dict) and isinstance(inner.get("schema"), dict):
        inner["schema"] = {"type": "boolean"}
    if isinstance(held, dict) and body.get("ignore_eos") is True:
        body["ignore_eos"] = False  # has no meaning beside one
    if isinstance(body.get("tools"), list):
        body["tools"] = body["tools"][:MOST_INPUTS]
        for number, tool in enumerate(body["tools"]):
            apart(tool, number)
    if body.get("tool_choice") not in ("none", "auto"):
        body["tool_choice"] = None  # needs a tool with its name, and an answer longer than is asked for here
    for name in ("thinking", "chat_template_kwargs"):
        body.pop(name, None)  # the switches of thinking have to say one thing
    for message in body["messages"] if isinstance(body.get("messages"), list) else ():
        unspoken(message)
    if isinstance(body.get("input"), list):
        body["input"] = [one for item in body["input"] for one in answered(item)]
    if isinstance(body.get("messages"), list) and body["messages"] and not can_go_on(body["messages"][-1]):
        body["messages"].append({"role": "user", "content": "Hi"})
    bias = body.get("logit_bias")
    if isinstance(bias, dict) and all(key.isascii() and key.isdigit() and len(key) <= 10 for key in bias):
        body["logit_bias"] = {str(int(key) % VOCABULARY_TOKENS): value for key, value in bias.items()}
