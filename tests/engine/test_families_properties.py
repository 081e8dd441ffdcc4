"""Of any text: split anywhere it reads as the whole, and no word of it is lost. What a template writes is read back."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.families import TOOLS, family, read, source_of, tool
from noghost.engine.chat import ChatTemplate

TEMPLATES = ("qwen3", "llama3.1", "mistral-nemo", "ministral-3-reasoning", "deepseek-r1-distill", "gpt-oss", "glm-4.7")
WRITTEN = {  # template: what an answer stands between in a rendered dialogue
    "qwen2.5": ("<|im_start|>assistant", "<|im_end|>"),
    "qwen3": ("<|im_start|>assistant\n", "<|im_end|>"),
    "llama3.1": ("assistant<|end_header_id|>\n\n", "<|eot_id|>"),
    "mistral-nemo": ("[/INST]", "</s>"),
    "mistral-small-3.2": ("[/INST]", "</s>"),
    "ministral-3-reasoning": ("[/INST]", "</s>"),
    "deepseek-r1-distill": ("<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
    "gpt-oss": ("<|start|>assistant", "<|call|>"),
    "glm-4.5": ("<|assistant|>", None),
    "glm-4.6": ("<|assistant|>", None),
    "glm-4.7": ("<|assistant|>", None),
}
# What calls are made of, right and wrong, but for ids: these are dropped.
PIECES = [
    *(
        '{"name": "',
        'get_time"',
        'get_weather"',
        'get"',
        ', "arguments": ',
        ', "parameters": ',
        "{",
        "}",
        "[",
        "]",
        '"',
    ),
    *("get_time", "get", "\\", ",", ";", ":", " ", "\n", "function", "```json", "```", "assistant", " to=functions."),
    *("analysis", "commentary", "final", "json", "city", "<", "<|", "[TOOL", "</th", "<｜tool"),
]
KINDS = {str: "string", int: "integer", bool: "boolean", list: "array", dict: "object"}

letters = st.text(alphabet="abzäÖ€👻_-.,:!{}[]\"'\\/ \n\t", max_size=12)
values: st.SearchStrategy[Any] = st.recursive(
    letters | st.integers(-(10**9), 10**9) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
    max_leaves=5,
)
arguments = st.dictionaries(st.text(alphabet="abcä_", min_size=1, max_size=5), values, max_size=4)
cuts = st.lists(st.integers(0, 400), max_size=12)


def split(text: str, at: list[int]) -> list[str]:
    return [text[a:b] for a, b in pairwise([0, *sorted(min(cut, len(text)) for cut in at), len(text)])]


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
@given(data=st.data())
def test_any_text_reads_alike_however_it_is_split_and_no_word_is_lost(template: str, data: st.DataObject) -> None:
    of = family(template)
    markers = [marker for marker in of.markers if marker != "[CALL_ID]"]
    drawn = data.draw(st.lists(st.sampled_from(markers) | st.sampled_from(PIECES) | st.just(None), max_size=25))
    words = [f"w{index}w" for index, piece in enumerate(drawn) if piece is None]
    text = "".join(f"w{index}w" if piece is None else piece for index, piece in enumerate(drawn))
    prompt = data.draw(st.sampled_from(["", "<think>", "[THINK]", "<|start|>assistant"]))

    answer = read(of, [text], prompt)
    assert read(of, split(text, data.draw(cuts)), prompt) == answer
    assert read(of, list(text), prompt) == answer
    said = answer.reasoning + answer.content + "".join(map("".join, answer.calls))
    assert [word for word in words if word not in said] == []


@pytest.mark.slow
@pytest.mark.parametrize("template", WRITTEN)
@given(given_arguments=arguments, at=cuts)
def test_a_call_that_the_template_writes_is_read_back(
    template: str, given_arguments: dict[str, Any], at: list[int]
) -> None:
    schema = {key: {"type": KINDS[type(value)]} for key, value in given_arguments.items()}
    call = {"id": "call00000", "type": "function"}
    call |= {"function": {"name": "get_weather", "arguments": json.dumps(given_arguments)}}
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    text = compiled(template).render(messages, add_generation_prompt=False)

    begin, end = WRITTEN[template]
    written = text.rpartition(begin)[2].partition(end)[0] if end else text.rpartition(begin)[2]
    offered = [*TOOLS[1:], tool("get_weather", **schema)]
    answer = read(family(template), split(written, at), begin, offered)
    ((name, said),) = answer.calls
    assert (name, json.loads(said)) == ("get_weather", given_arguments)
    assert answer.content in ("", "</think>"), "GLM's template closes a reasoning that its prompt has opened"


COMPILED: dict[str, ChatTemplate] = {}


def compiled(name: str) -> ChatTemplate:
    if name not in COMPILED:
        COMPILED[name] = ChatTemplate(source_of(name), "<s>", "</s>")
    return COMPILED[name]
