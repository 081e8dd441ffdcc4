"""Answers that are held to calls, in each family's syntax, by the real model at temperature 1; read back and valid."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from engine.families import Answer, read, source_of
from noghost.engine.calls import Calls, chosen
from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.families.family import Family, family_of, told_of
from noghost.engine.generate import Chunk, Done, generate
from noghost.engine.grammar import Constraint
from noghost.engine.model import Model
from noghost.engine.sampler import SamplingParams
from noghost.engine.schema import Schema
from noghost.errors import RequestError

TEMPLATES = (
    "qwen2.5",
    "qwen3",
    "llama3.1",
    "mistral-nemo",
    "mistral-small-3.2",
    "ministral-3-reasoning",
    "deepseek-r1-distill",
    "gpt-oss",
    "glm-4.5",
    "glm-4.7",
)
WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Paris", "Oslo"]},
        "note": {"type": "string", "maxLength": 12},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "where": {"anyOf": [{"$ref": "#/$defs/point"}, {"type": "null"}]},
    },
    "required": ["city", "days", "where"],
    "additionalProperties": False,
    "$defs": {"point": {"type": "object", "properties": {"x": {"enum": [1, 2]}}, "additionalProperties": False}},
}


def function(name: str, parameters: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [function("get_weather", WEATHER), function("now", None)]
SCHEMAS: dict[str, dict[str, Any]] = {"get_weather": WEATHER, "now": {"maxProperties": 0}}
QUESTION = {"role": "user", "content": "What is the weather in Paris, and what time is it? Call the tools."}


@pytest.fixture(scope="module")
def prompt(model: Model, template: ChatTemplate) -> list[int]:
    return model.tokenize_prompt(template.render([QUESTION]))


def family(name: str) -> Family:
    source = source_of(name)
    return told_of(source) if name == "deepseek-r1-distill" else family_of(source)


def answer(model: Model, prompt: list[int], calls: Calls, seed: int, max_tokens: int = 300) -> tuple[str, Done]:
    context = Context(model, 512)
    context.start_threads(1)
    params = SamplingParams(seed=seed, temperature=1.0)
    items = list(
        generate(
            model,
            context,
            prompt,
            params,
            max_tokens=max_tokens,
            stops=(),
            threads=lambda: 1,
            constraint=Constraint(model, calls),
        )
    )
    done = items.pop()
    assert isinstance(done, Done)
    return "".join(item.text for item in items if isinstance(item, Chunk)), done


def check(said: Answer) -> None:
    for name, arguments in said.calls:
        assert jsonschema_rs.is_valid(SCHEMAS[name], json.loads(arguments)), name


@pytest.mark.slow
@pytest.mark.parametrize("name", TEMPLATES)
def test_an_answer_is_calls_that_are_valid(model: Model, prompt: list[int], name: str) -> None:
    of = family(name)
    text, done = answer(model, prompt, Calls(of, "", chosen(TOOLS, None), most=2), seed=1)
    said = read(of, [text], tools=TOOLS)
    assert (done.finish_reason, said.reasoning, said.content.strip()) == ("stop", "", "")
    assert 1 <= len(said.calls) <= min(2, of.written.most)
    check(said)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen3", "glm-4.7"])
def test_a_tool_that_is_named_is_called_once(model: Model, prompt: list[int], name: str) -> None:
    of = family(name)
    text, done = answer(model, prompt, Calls(of, "", chosen(TOOLS, "now")), seed=2)
    ((called, arguments),) = read(of, [text], tools=TOOLS).calls
    assert (called, json.loads(arguments)) == ("now", {})
    assert done.finish_reason == "stop"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen3", "glm-4.7", "mistral-nemo", "mistral-small-3.2"])
def test_beside_text_only_calls_are_held(model: Model, prompt: list[int], name: str) -> None:
    """The marker is put into the model's mouth by a prompt that ends in it; then it writes on by itself."""
    of = family(name)
    calls = Calls(of, "", chosen(TOOLS, "get_weather"), most=1, free=True)
    constraint = Constraint(model, calls)
    begun = f"I will look. {of.written.marker}"
    for token in model.tokenize(begun, add_special=False, parse_special=False):
        assert constraint.biases()[token].bias == 0
        constraint.accept(token)
    (the,) = model.tokenize(" The", add_special=False, parse_special=False)
    assert constraint.biases()[the].bias < 0
    text, done = answer(model, prompt, calls, seed=3, max_tokens=20)
    assert read(of, [text], tools=TOOLS).calls == []
    assert done.completion_tokens


@pytest.mark.slow
def test_json_or_calls(model: Model, prompt: list[int]) -> None:
    of = family("qwen2.5")
    schema = {
        "type": "object",
        "properties": {"ok": {"const": True}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    kinds = set()
    for seed in range(6):
        calls = Calls(of, "", chosen(TOOLS, None), most=1, otherwise=Schema(schema))
        said = read(of, [answer(model, prompt, calls, seed)[0]], tools=TOOLS)
        check(said)
        assert bool(said.calls) != bool(said.content)
        assert said.calls or json.loads(said.content) == {"ok": True}
        kinds.add(bool(said.calls))
    assert kinds == {True, False}


@pytest.mark.parametrize(
    ("name", "schema", "place"),
    [
        ("qwen3", {"properties": {"a": {"not": {}}}}, "/properties/{0}/not"),
        ("qwen3", {"properties": {"a": {"type": "integer", "minimum": 2, "maximum": 1}}}, "/properties/{0}/minimum"),
        ("glm-4.7", {"properties": {"a": {"type": "string", "pattern": "^x"}}}, "/properties/{0}/pattern"),
        ("glm-4.7", {"anyOf": [{"required": ["a"]}], "properties": {"a": {}}}, "/anyOf"),
        ("glm-4.7", {"properties": {"a": {"type": "integer", "minimum": 2, "maximum": 1}}}, "/properties/{0}/minimum"),
    ],
)
def test_arguments_that_cannot_be_held(model: Model, name: str, schema: dict[str, Any], place: str) -> None:
    tools = [function("now", None), function("other", {"required": ["a"], **schema})]
    with pytest.raises(RequestError) as raised:
        Constraint(model, Calls(family(name), "", chosen(tools, "other")))
    assert raised.value.param == "tools[1].function.parameters"
    assert place in raised.value.message
    assert raised.value.code == "unsupported_schema"


def follow(constraint: Constraint, tokens: list[int]) -> list[bool]:
    """Whether each token is allowed in its place; it ends with the first that is not."""
    followed = []
    for token in tokens:
        followed.append(constraint.biases()[token].bias == 0)
        if not followed[-1]:
            break
        constraint.accept(token)
    return followed


def test_markers_that_are_control_tokens(model: Model) -> None:
    """Two of this model's stand for Mistral's; a token that may end the answer is allowed at its end alone."""
    marks = {"[TOOL_CALLS]": 1, "[ARGS]": 3}
    written = [1, *model.tokenize("now", add_special=False, parse_special=False), 3]
    written += [*model.tokenize("{}", add_special=False, parse_special=False), 5]
    for free in (False, True):
        calls = Calls(family("mistral-small-3.2"), "", chosen(TOOLS, "now"), free=free)
        assert all(follow(Constraint(model, calls, marks, [5]), written))
        assert follow(Constraint(model, calls, marks, [5]), [*written[:2], 5]) == [True, True, False]
        spelled = model.tokenize("[TOOL_CALLS]", add_special=False, parse_special=False)
        assert all(follow(Constraint(model, calls, marks, [5]), spelled)) == free


@pytest.mark.parametrize(("prompt", "opened"), [("", False), ("…<think>\n", True)])
def test_reasoning_that_is_asked_for_is_free_until_its_end(model: Model, prompt: str, opened: bool) -> None:
    calls = Calls(family("qwen3"), prompt, chosen(TOOLS, "now"), thinks=True)
    call = 'Hm.</think><tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    text = call if opened else f"<think>{call}"
    tokens = [*model.tokenize(text, add_special=False, parse_special=False), model.eog_tokens[0]]
    assert all(follow(Constraint(model, calls), tokens))
    without = Calls(family("qwen3"), prompt, chosen(TOOLS, "now"))
    assert not all(follow(Constraint(model, without), tokens))
