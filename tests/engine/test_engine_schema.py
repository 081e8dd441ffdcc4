"""Which schemas an answer can be held to, and what is said of the others: a place, and no word of the caller's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noghost.engine.schema import SCHEMA_BYTES, Schema
from noghost.engine.schema_words import REFUSED, SILENT
from noghost.errors import RequestError

MARKER = "zqxv-marker-7319"


def place(document: dict[str, Any]) -> str:
    """The place that its error names."""
    with pytest.raises(RequestError) as caught:
        Schema(document)
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "unsupported_schema", "response_format")
    assert MARKER not in error.message
    said = error.message.removeprefix("could not hold the answer to this schema: ")
    assert said != error.message
    return said.split()[0]


def below(schema: Any) -> dict[str, Any]:
    """As the second property of an object."""
    return {"type": "object", "properties": {"a": True, MARKER: schema}}


@pytest.mark.parametrize("word", sorted(REFUSED))
def test_a_word_that_is_not_held_to_is_named_with_its_place(word: str) -> None:
    assert place(below({word: MARKER})) == f"/properties/{{1}}/{word}"


def test_a_word_that_nobody_knows_is_not_repeated() -> None:
    assert place(below({"type": "string", MARKER: 5})) == "/properties/{1}/{1}"


@pytest.mark.parametrize("word", [*sorted(SILENT), "x-guidance", "x-order"])
def test_a_word_without_a_say_is_left_out(word: str) -> None:
    assert json.loads(Schema({word: {"lenient": True}, "type": "string"}).text) == {"type": "string", "$defs": {}}


def test_the_id_of_the_whole_is_left_out_and_another_is_not() -> None:
    assert "$id" not in Schema({"$id": "https://example.org/schema"}).text
    assert place(below({"$id": "https://example.org/schema"})) == "/properties/{1}/$id"


@pytest.mark.parametrize(
    ("schema", "at"),
    [
        ({"items": [{"type": "string"}]}, "/items"),
        ({"anyOf": [True, {"oneOf": [{"not": {}}]}]}, "/anyOf/1/oneOf/0/not"),
        ({"additionalProperties": {"not": {}}}, "/additionalProperties/not"),
        ({"$defs": {MARKER: {"not": {}}}}, "/$defs/{0}/not"),
        ({"patternProperties": {MARKER + "(?=a)": {}}}, "/patternProperties/{0}"),
        ({"$ref": "https://example.org/" + MARKER}, "/$ref"),
        ({"$ref": "#" + MARKER}, "/$ref"),
        ({"$ref": "#/$defs/" + MARKER}, "/$ref"),
        ({"enum": [{"a": 1}], "$ref": "#/enum/0"}, "/$ref"),
        ({"$ref": 5}, "/$ref"),
        ({"minProperties": 2}, "/minProperties"),
        ({"exclusiveMinimum": True}, "/exclusiveMinimum"),
        ({"maximum": 2.0**53 + 2}, "/maximum"),
        ({"const": -(10**40)}, "/const"),
        ({"enum": ["a", ["b\x01"]]}, "/enum"),
        ({"const": {"a\x7f": 1}}, "/const"),
        ({"multipleOf": 10_001}, "/multipleOf"),
        ({"anyOf": [{"multipleOf": 9973}, {"multipleOf": 9967}]}, "/anyOf/1/multipleOf"),
        ({"allOf": [{"multipleOf": 9999}, {"multipleOf": 0.1}]}, "/allOf/1/multipleOf"),
        ({"properties": {f"p{i}": True for i in range(401)}}, "/properties/{400}"),
        ({"const": float("inf")}, "it"),
        ({"const": chr(0xD800)}, "it"),
        ({"description": "a" * SCHEMA_BYTES}, "it"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_value_that_cannot_be_held_to(schema: dict[str, Any], at: str) -> None:
    assert place(schema) == at


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)a",
        "(?=a)",
        "(?<=a)b",
        "[[:alpha:]]",
        "[a&&b]",
        "[a--b]",
        "[]a]",
        "[^]a]",
        r"\Aa",
        r"a\z",
        r"\Qa\E",
        "(?x)a",
    ],
)
def test_a_pattern_that_ecma_262_has_not(pattern: str) -> None:
    assert place({"pattern": pattern}) == "/pattern"


@pytest.mark.parametrize(
    "pattern",
    [r"^\d{4}-[\w-]+$", "(?:a|b)+?", "(?<year>a)", r"[^\]\\a-z&~-]", r"\p{L}\u0041\x41\.\/\-", "a{2,}", "^$", "é"],
)
def test_a_pattern_that_it_has(pattern: str) -> None:
    assert json.loads(Schema({"pattern": pattern}).text)["pattern"] == pattern


def test_what_is_referred_to_comes_with_it_under_a_new_name() -> None:
    document = {
        "type": "object",
        "properties": {
            "a/b~": {"$ref": "#/definitions/" + MARKER},
            "c": {"$ref": "#"},
            "d": {"$ref": "#/properties/a~1b~0"},
        },
        "definitions": {MARKER: {"type": "string", "title": "t"}},
    }
    taken = json.loads(Schema(document).text)
    assert MARKER not in json.dumps(taken)
    assert taken["$defs"]["0"] == {"type": "string"}
    assert taken["$defs"]["1"]["properties"] == taken["properties"]
    assert taken["$defs"]["2"] == {"$ref": "#/$defs/0"}


def deep(levels: int, inner: Any) -> Any:
    for _ in range(levels):
        inner = {"properties": {"a": inner}}
    return inner


def test_one_that_is_too_deep() -> None:
    Schema(deep(32, {"type": "string"}))
    assert place(deep(33, {"type": "string"})) == "it"
    assert place(deep(300, {"type": "string"})) == "it"
    nested: Any = 1
    for _ in range(17):
        nested = [nested]
    assert place({"const": nested}) == "/const"
