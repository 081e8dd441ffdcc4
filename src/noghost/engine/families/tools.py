"""The tools that a request offers, as a parser needs them. PURE, in an instance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

# A tool's name and the JSON schema of its arguments (an empty one where it has none).
Tools = Mapping[str, Mapping[str, Any]]

KINDS: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


def tools_of(tools: Sequence[Mapping[str, Any]]) -> Tools:
    """Of OpenAI's list, whose items are `{"type": "function", "function": {"name", "parameters"}}`."""
    functions = (tool["function"] for tool in tools)
    return {function["name"]: function.get("parameters") or {} for function in functions}


def only_text(schema: Any) -> bool:
    """Tell whether an argument with this schema can be nothing but a string."""
    return set(_kinds(schema)) == {"string"}


def json_of(text: str, schema: Any) -> str:
    """Return the JSON text of an argument that was written without quotes.

    JSON that the schema allows stays as it stands; what is no JSON, and JSON where only a string is allowed, becomes
    a string.
    """
    kinds = set(_kinds(schema))
    kinds |= {"integer"} if "number" in kinds else set()
    try:
        kind = KINDS[type(json.loads(text, parse_constant=_refuse))]
    except (ValueError, RecursionError):
        return quote(text)
    return quote(text) if "string" in kinds and kind not in kinds else text.strip()


def quote(text: str) -> str:
    """Return `text` as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def _kinds(schema: Any) -> Iterator[str]:
    """The JSON types that a schema allows, as far as it says so at once; none means that it does not."""
    if not isinstance(schema, Mapping):
        return
    named = schema.get("type")
    yield from [named] if isinstance(named, str) else named if isinstance(named, list) else ()
    for word in ("anyOf", "oneOf"):
        for inner in schema.get(word) or ():
            yield from _kinds(inner)
    if named is None:
        yield from (KINDS[type(item)] for item in schema.get("enum") or ())


def _refuse(_name: str) -> NoReturn:
    raise ValueError("not JSON")
