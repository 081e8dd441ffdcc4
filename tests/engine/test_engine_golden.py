"""A dialogue with a system message, tools, results and reasoning: rendered as transformers renders it, to the byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from engine.families import TOOLS, source_of
from noghost.engine.chat import ChatTemplate
from noghost.engine.model import Model

Message = dict[str, Any]
Apply = Callable[..., str]

SYSTEM = {"role": "system", "content": "Be brief. Grüße 👻"}
USER = {"role": "user", "content": 'How warm is "Köln"?\n'}
THANKS = {"role": "user", "content": "And now?"}
SAID = {"role": "assistant", "content": "21 °C.", "reasoning_content": "\nThat is\n\nwarm.\n"}


def call(name: str, arguments: Mapping[str, Any], ident: str) -> Message:
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def asks(*calls: Message) -> Message:
    return {"role": "assistant", "content": None, "reasoning_content": "Look it up.", "tool_calls": list(calls)}


def tells(ident: str, content: str) -> Message:
    return {"role": "tool", "tool_call_id": ident, "content": content}


WEATHER = call("get_weather", {"city": 'K"ö\nln', "days": 3, "metric": True}, "callWeath")
TIME = call("get_time", {}, "callTime0")
PLAIN = [SYSTEM, USER, SAID, THANKS]
CALLS = [
    SYSTEM,
    USER,
    asks(WEATHER),
    tells("callWeath", '{"warm": 21}'),
    SAID,
    THANKS,
    asks(TIME),
    tells("callTime0", "9"),
]
TWO_CALLS = [*CALLS[:2], asks(WEATHER, TIME), tells("callWeath", '{"warm": 21}'), tells("callTime0", "9")]


def conventional(message: Message) -> Message:
    """As transformers' documentation has it: arguments are an object, content a text, a result names its tool."""
    if message["role"] == "tool":
        return {**message, "name": "get_weather" if message["tool_call_id"] == "callWeath" else "get_time"}
    if not message.get("tool_calls"):
        return message
    return {**message, "content": "", "tool_calls": [with_arguments(one, json.loads) for one in message["tool_calls"]]}


def with_arguments(one: Message, change: Callable[[str], Any]) -> Message:
    return {**one, "function": {**one["function"], "arguments": change(one["function"]["arguments"])}}


def ministral(message: Message) -> Message:
    """Its template reads parts of the content."""
    message = dict(conventional(message))
    if (reasoning := message.pop("reasoning_content", None)) is None:
        return message
    said = [{"type": "text", "text": message["content"]}] if message["content"] else []
    return {**message, "content": [{"type": "thinking", "thinking": reasoning}, *said]}


def deepseek(message: Message) -> Message:
    """Its template writes the arguments as they are, and calls only where there is no content."""
    return {**message, "content": None} if message.get("tool_calls") else message


def deepseek_of_llama_cpp(message: Message) -> Message:
    return {**conventional(message), "content": None} if message.get("tool_calls") else message


CASES: list[tuple[str, list[Message], list[dict[str, Any]] | None, Callable[[Message], Message], dict[str, Any]]] = [
    ("smollm2", PLAIN, None, conventional, {}),
    ("gemma3", PLAIN, None, conventional, {}),
    ("qwen2.5", CALLS, TOOLS, conventional, {}),
    ("qwen2.5", TWO_CALLS, TOOLS, conventional, {}),
    ("qwen3", CALLS, TOOLS, conventional, {}),
    ("qwen3", TWO_CALLS, TOOLS, conventional, {"enable_thinking": False}),
    ("llama3.1", CALLS, TOOLS, conventional, {}),
    ("llama3.2", CALLS, TOOLS, conventional, {"tools_in_user_message": False}),
    ("mistral-nemo", CALLS, TOOLS, conventional, {}),
    ("mistral-nemo", TWO_CALLS, TOOLS, conventional, {}),
    ("mistral-small-3.2", CALLS, TOOLS, conventional, {}),
    ("mistral-small-3.2", CALLS[1:], TOOLS, conventional, {}),
    ("ministral-3-reasoning", TWO_CALLS, TOOLS, ministral, {}),
    ("ministral-3-reasoning", CALLS[1:], TOOLS, ministral, {}),
    ("deepseek-r1-distill", CALLS, None, deepseek, {}),
    ("deepseek-r1-distill", TWO_CALLS, None, deepseek, {}),
    ("deepseek-r1-llama.cpp", TWO_CALLS, None, deepseek_of_llama_cpp, {}),
    ("gpt-oss", CALLS, TOOLS, conventional, {}),
    ("gpt-oss", CALLS[1:4], TOOLS, conventional, {"reasoning_effort": "high"}),
    ("glm-4.5", CALLS, TOOLS, conventional, {}),
    ("glm-4.5", TWO_CALLS, TOOLS, conventional, {"enable_thinking": False}),
    ("glm-4.6", CALLS, TOOLS, conventional, {}),
    ("glm-4.6", PLAIN, None, conventional, {"enable_thinking": False}),
    ("glm-4.7", CALLS, TOOLS, conventional, {}),
    ("glm-4.7", CALLS, TOOLS, conventional, {"clear_thinking": False}),
    ("glm-4.7", TWO_CALLS, TOOLS, conventional, {"enable_thinking": False}),
]


@pytest.fixture(scope="module")
def transformers_apply() -> Apply:
    """`apply_chat_template` of a tokeniser that has two words.

    It drops a content that is None since version 5, and DeepSeek's template asks for one: such messages go to the
    function below it.
    """
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from transformers.utils.chat_template_utils import render_jinja_template

    words = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1}, unk_token="<s>"))
    tokeniser = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>")

    def apply(source: str, messages: Sequence[Message], **kwargs: Any) -> str:
        if any(message["content"] is None for message in messages):
            kwargs |= {"bos_token": "<s>", "eos_token": "</s>"}
            return str(render_jinja_template([list(messages)], chat_template=source, **kwargs)[0][0])
        text = tokeniser.apply_chat_template(list(messages), chat_template=source, tokenize=False, **kwargs)
        assert isinstance(text, str)
        return text

    return apply


@pytest.mark.slow  # transformers takes its time to import
@pytest.mark.parametrize("add_generation_prompt", [True, False])
@pytest.mark.parametrize(("name", "messages", "tools", "convention", "kwargs"), CASES)
def test_a_dialogue_is_rendered_as_transformers_renders_it(
    model: Model,
    transformers_apply: Apply,
    name: str,
    messages: list[Message],
    tools: list[dict[str, Any]] | None,
    convention: Callable[[Message], Message],
    kwargs: dict[str, Any],
    add_generation_prompt: bool,
) -> None:
    source = model.chat_template if name == "smollm2" else source_of(name)
    kwargs |= {"tools": tools, "add_generation_prompt": add_generation_prompt}
    ours = ChatTemplate(source, "<s>", "</s>").render(messages, **kwargs)
    assert ours == transformers_apply(source, [convention(message) for message in messages], **kwargs)
    assert "Köln" in ours
    assert messages is PLAIN or "get_weather" in ours
