"""An answer that is held to a JSON Schema: by the real model, and by a random walk over what is allowed."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.generate import Chunk, Done, generate
from noghost.engine.grammar import Constraint
from noghost.engine.model import Model
from noghost.engine.sampler import SamplingParams
from noghost.engine.schema import Schema
from noghost.errors import EngineError, RequestError

SHORT = {"type": "string", "maxLength": 12}
PERSON = {
    "type": "object",
    "properties": {"name": SHORT, "age": {"type": "integer", "minimum": 0, "maximum": 150}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TREE = {
    "type": "object",
    "properties": {"v": {"enum": [1, 2]}, "kids": {"type": "array", "items": {"$ref": "#/$defs/leaf"}, "maxItems": 2}},
    "required": ["v", "kids"],
    "additionalProperties": False,
    "$defs": {"leaf": {"type": "object", "properties": {"v": {"type": "null"}}, "additionalProperties": False}},
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "object": PERSON,
    "enum": {"enum": ["red", "green", None, 1.5, ["a", {"b": True}], 'é\n"👻']},
    "const": {"const": {"kind": "x", "of": [1, -2, "\\"]}},
    "boolean or null": {"type": ["boolean", "null"]},
    "range": {"type": "number", "exclusiveMinimum": -1.5, "maximum": 2.25, "multipleOf": 0.25},
    "multiple": {"type": "integer", "minimum": -100, "maximum": 100, "multipleOf": 7},
    "list": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 2, "maxItems": 4},
    "tuple": {"type": "array", "prefixItems": [SHORT, {"type": "boolean"}], "items": False, "minItems": 2},
    "pattern": {"type": "string", "pattern": r"^[A-Z]{2}-\d{3}$"},
    "search": {"type": "string", "pattern": "b+c", "maxLength": 9},
    "length": {"type": "string", "minLength": 3, "maxLength": 5},
    "date": {"type": "string", "format": "date"},
    "uuid": {"type": "string", "format": "uuid"},
    "ipv4": {"type": "string", "format": "ipv4"},
    "any of": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 3}, {"type": "string", "enum": ["one", "two"]}]},
    "one of": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"k": {"const": k}, "v": v},
                "required": ["k", "v"],
                "additionalProperties": False,
            }
            for k, v in (("a", SHORT), ("b", {"type": "boolean"}))
        ]
    },
    "all of": {"allOf": [{"$ref": "#/$defs/a"}, {"maximum": 5}], "$defs": {"a": {"type": "integer", "minimum": 2}}},
    "references": TREE,
    "optional": {"type": "object", "properties": {"a": SHORT, "b": {"type": "null"}}, "additionalProperties": False},
    "names": {
        "type": "object",
        "patternProperties": {"^[ab]$": {"type": "boolean"}},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 2,
    },
    "map": {"type": "object", "additionalProperties": {"type": "boolean"}, "maxProperties": 2},
    "required alone": {
        "type": "object",
        "required": ["x"],
        "additionalProperties": {"type": "null"},
        "maxProperties": 1,
    },
}
SAMPLED = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


@pytest.fixture(scope="module")
def prompt(model: Model, template: ChatTemplate) -> list[int]:
    return model.tokenize_prompt(template.render([{"role": "user", "content": "Tell me about the sea, as JSON."}]))


def answer(
    model: Model, prompt: list[int], schema: dict[str, Any] | None, seed: int, max_tokens: int = 120, **params: Any
) -> tuple[str, Done]:
    context = Context(model, 256)
    context.start_threads(1)
    *chunks, done = generate(
        model,
        context,
        prompt,
        SamplingParams(seed=seed, **(SAMPLED | params)),
        max_tokens=max_tokens,
        stops=(),
        threads=lambda: 1,
        constraint=Constraint(model, Schema(schema)) if schema is not None else None,
    )
    assert isinstance(done, Done)
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk)), done


def is_valid(schema: dict[str, Any], text: str) -> bool:
    try:
        return jsonschema_rs.is_valid(schema, json.loads(text), validate_formats=True)
    except json.JSONDecodeError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMAS)
def test_an_answer_is_valid_at_temperature_1(model: Model, prompt: list[int], name: str) -> None:
    for seed in (1, 2):
        text, done = answer(model, prompt, SCHEMAS[name], seed)
        assert done.finish_reason == "stop"
        assert is_valid(SCHEMAS[name], text)


@pytest.mark.slow
def test_without_it_none_is(model: Model, prompt: list[int]) -> None:
    """Control: the model does not do it by itself."""
    texts = [answer(model, prompt, None, seed, max_tokens=30)[0] for seed in (1, 2, 3)]
    assert not any(is_valid(schema, text) for schema in SCHEMAS.values() for text in texts)


@pytest.mark.slow
def test_the_same_seed_repeats_and_another_does_not(model: Model, prompt: list[int]) -> None:
    texts = [answer(model, prompt, PERSON, seed)[0] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_greedy_with_penalties_and_biases(model: Model, prompt: list[int]) -> None:
    """A biased token that the grammar forbids does not come."""
    (the,) = model.tokenize("The", add_special=False, parse_special=False)
    bias = ((the, 100.0), (model.eog_tokens[0], 100.0))
    text, _done = answer(model, prompt, PERSON, 0, temperature=0.0, repeat_penalty=1.3, logit_bias=bias)
    assert is_valid(PERSON, text)


def test_an_answer_may_be_cut_by_its_limit(model: Model, prompt: list[int]) -> None:
    whole, _done = answer(model, prompt, PERSON, 1)
    text, done = answer(model, prompt, PERSON, 1, max_tokens=5)
    assert (done.finish_reason, done.completion_tokens) == ("length", 5)
    assert whole.startswith(text)


def test_a_token_that_is_forbidden_is_not_accepted(model: Model) -> None:
    constraint = Constraint(model, Schema(PERSON))
    (the,) = model.tokenize("The", add_special=False, parse_special=False)
    (brace,) = model.tokenize("{", add_special=False, parse_special=False)
    biases = constraint.biases()
    assert (biases[the].token, biases[brace].token) == (the, brace)
    assert biases[the].bias < -1e38
    assert biases[model.eog_tokens[0]].bias < -1e38
    assert biases[brace].bias == 0
    with pytest.raises(EngineError, match="forbids"):
        constraint.accept(the)


@pytest.mark.parametrize(
    "name",
    ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"],
)
def test_a_format_that_the_document_names(model: Model, name: str) -> None:
    said = walk(Constraint(model, Schema({"type": "string", "format": name})), model, random.Random(2), 40)
    assert said is None or isinstance(json.loads(said), str)


# --- what the library cannot do ---------------------------------------------------------------------------------

MARKER = "zqxv-marker-7319"
IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"type": "object", "properties": {MARKER: {"type": "string", "format": MARKER}}}, "/properties/{0}/format"),
    ({"type": MARKER}, "/type"),
    ({"minimum": MARKER}, "/minimum"),
    ({"required": MARKER, "properties": {MARKER: True}}, "/required"),
    ({"properties": [MARKER]}, "/properties"),
    ({"anyOf": MARKER}, "/anyOf"),
    ({"type": "array", "minItems": -1}, "/minItems"),
    ({"type": "integer", "multipleOf": [MARKER]}, "/multipleOf"),
    ({"type": "integer", "multipleOf": 0}, "/multipleOf"),
    ({"enum": []}, "/enum"),
    ({"type": "string", "pattern": "a(b"}, "/pattern"),
    ({"type": "string", "pattern": r"\ba"}, "/pattern"),
    ({"type": "string", "pattern": r"(a)\1"}, "/pattern"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "/oneOf"),
    ({"items": {"oneOf": [{"type": "integer"}, {"minimum": 5}]}, "type": "array", "minItems": 1}, "/items/oneOf"),
    ({"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "required": ["a"],
      "$defs": {"b": {"type": "string", "format": MARKER}}}, "/$defs/{0}/format"),
    ({"$ref": "#"}, "/$ref"),
    ({"anyOf": [{"$ref": "#"}, {"$ref": "#/anyOf/0"}]}, "/anyOf/0/$ref"),
    ({"patternProperties": {"^a": True, "a": {"type": "integer"}}, "type": "object"}, "/patternProperties"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "/minimum"),
    ({"type": "string", "maxLength": 10**15}, "/maxLength"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "at"), IMPOSSIBLE, ids=[at for _, at in IMPOSSIBLE])
def test_what_the_library_cannot_do_is_blamed_on_its_place(model: Model, schema: dict[str, Any], at: str) -> None:
    with pytest.raises(RequestError) as caught:
        Constraint(model, Schema(schema))
    assert caught.value.message == f"could not hold the answer to this schema: {at} cannot be held to"
    assert (caught.value.code, caught.value.param) == ("unsupported_schema", "response_format")


# --- hostile ones -----------------------------------------------------------------------------------------------


def doubled(levels: int, how: str) -> dict[str, Any]:
    """Each level refers twice to the one below it."""
    defs: dict[str, Any] = {"0": {"type": "object", "properties": {"x": {"type": "string"}}}}
    for level in range(1, levels):
        defs[str(level)] = {how: [{"$ref": f"#/$defs/{level - 1}"}] * 2}
    return {"$ref": f"#/$defs/{levels - 1}", "$defs": defs}


def product(factors: int) -> dict[str, Any]:
    def one(name: str) -> dict[str, Any]:
        return {"type": "object", "properties": {name: {"type": "integer"}}, "required": [name]}

    return {"allOf": [{"anyOf": [one(f"p{i}{j}") for j in range(4)]} for i in range(factors)]}


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "deep": ({"items": {"items": {"items": {"type": "array", "maxItems": 1000}}}, "maxItems": 10**6}, "followed"),
    "enum": ({"enum": [f"value {number}" for number in range(8000)]}, "followed"),
    "long enum": ({"enum": ["a" * 1000 + str(number) for number in range(120)]}, "followed"),
    "all of all": (doubled(30, "allOf"), "followed"),
    "any of any": (doubled(30, "anyOf"), "followed"),
    "one of one": (doubled(12, "oneOf"), "refused"),
    "product": (product(12), "refused"),
    "alternatives": (
        {"oneOf": [{"properties": {"k": {"const": i}}, "required": ["k"]} for i in range(1500)]},
        "refused",
    ),
    "properties": ({"properties": {f"p{i}": {"type": "string", "maxLength": i} for i in range(400)}}, "followed"),
    "repeats": ({"type": "string", "pattern": "^(.{0,1000}){1000}$"}, "given up"),
    "stars": ({"type": "string", "pattern": "^((a*)*)*b$"}, "followed"),
    "choices": ({"type": "string", "pattern": "^.*a.{18}$"}, "followed"),
    "optional": ({"type": "string", "pattern": "^(a?){500}a{500}$"}, "given up"),
    "multiple": ({"type": "integer", "multipleOf": 9973}, "followed"),
    "long": ({"type": "string", "minLength": 10**6, "maxLength": 10**7}, "followed"),
    "no end": ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "followed"),
    "formats": ({"anyOf": [{"type": "string", "format": f"f{i}"} for i in range(2000)]}, "refused"),
}


@pytest.mark.slow
@pytest.mark.timeout(60)  # nothing hangs
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_refused_or_followed(model: Model, name: str) -> None:
    schema, outcome = HOSTILE[name]
    assert outcome_of(model, schema) == outcome


def outcome_of(model: Model, schema: dict[str, Any]) -> str:
    """What comes of 60 steps of a random walk."""
    try:
        constraint = Constraint(model, Schema(schema))
    except RequestError:
        return "refused"
    try:
        walk(constraint, model, random.Random(1), 60)
    except RequestError:
        return "given up"
    return "followed"


# --- schemas that nobody wrote ----------------------------------------------------------------------------------


def walk(constraint: Constraint, model: Model, chance: random.Random, most: int) -> str | None:
    """Any allowed token, again and again: the text, or None when it did not come to its end."""
    said = b""
    for _step in range(most):
        biases = memoryview(constraint.biases()).cast("B")[7::8].tobytes()
        allowed = [token for token, high in enumerate(biases) if not high]
        token = chance.choice(allowed)
        constraint.accept(token)
        if model.is_eog(token):
            return said.decode()
        said += model.piece(token)
    return None


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Within what is taken, and such that an answer comes to an end."""
    small = st.integers(-20, 20)
    numbers = st.builds(
        lambda kind, low, more: {"type": kind, "minimum": low, "maximum": low + more},
        st.sampled_from(["integer", "number"]),
        small,
        st.integers(0, 30),
    )
    texts = st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, *[st.integers(0, 4)] * 2
    )
    values = st.one_of(
        st.none(), st.booleans(), small, st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=6)
    )
    choices = st.builds(lambda some: {"enum": some}, st.lists(values, min_size=1, max_size=4))
    leaves = numbers | texts | choices | st.sampled_from([{"type": "boolean"}, {"type": "null"}])

    def more(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        objects = st.builds(
            lambda named, needs: {
                "type": "object",
                "properties": named,
                "required": list(named)[:needs],
                "additionalProperties": False,
            },
            st.dictionaries(st.text('abé "\\', max_size=3), inner, max_size=3),
            st.integers(0, 3),
        )
        lists = st.builds(
            lambda one, low: {"type": "array", "items": one, "minItems": low, "maxItems": 2}, inner, st.integers(0, 2)
        )
        either = st.builds(lambda some: {"anyOf": some}, st.lists(inner, min_size=1, max_size=3))
        return objects | lists | either

    return st.recursive(leaves, more, max_leaves=5)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(schema=schemas(), seed=st.integers(0, 2**32))
def test_whatever_is_allowed_is_valid(model: Model, schema: dict[str, Any], seed: int) -> None:
    said = walk(Constraint(model, Schema(schema)), model, random.Random(seed), 150)
    if said is not None:
        assert is_valid(schema, said)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMAS)
def test_whatever_is_allowed_by_the_table_is_valid(model: Model, name: str) -> None:
    ended = [walk(Constraint(model, Schema(SCHEMAS[name])), model, random.Random(seed), 300) for seed in range(3)]
    texts = [text for text in ended if text is not None]
    assert texts
    assert all(is_valid(SCHEMAS[name], text) for text in texts)
