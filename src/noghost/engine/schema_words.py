"""The words of JSON Schema, and which of their values an answer can be held to.

PURE, in an instance. The words are those of draft 2020-12 (json-schema.org). One that an answer is not held to and that
has a say in what is valid is refused, never dropped. What the library finds by itself (a bound that is a text, an
empty range, a `format` that it has not) is left to it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from noghost.errors import RequestError

ONE = frozenset({"items", "additionalProperties"})  # their value is a schema,
SEVERAL = frozenset({"prefixItems", "anyOf", "oneOf", "allOf"})  # a list of schemas,
LIBRARIES = frozenset({"$defs", "definitions"})  # or schemas by name, here for `$ref` alone
NAMED = frozenset({"properties", "patternProperties"}) | LIBRARIES
PLAIN = frozenset({"type", "enum", "const", "required", "minProperties", "maxProperties", "minItems", "maxItems"})
PLAIN |= {"minLength", "maxLength", "pattern", "format", "multipleOf"}
PLAIN |= {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
TAKEN = ONE | SEVERAL | NAMED | PLAIN | {"$ref"}
SILENT = frozenset({"title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly"})
SILENT |= {"$schema", "$comment", "$anchor", "contentMediaType", "contentEncoding", "discriminator"}
REFUSED = frozenset({"not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies"})
REFUSED |= {"uniqueItems", "contains", "minContains", "maxContains", "additionalItems", "unevaluatedItems"}
REFUSED |= {"propertyNames", "unevaluatedProperties", "contentSchema", "nullable", "id", "$id", "$vocabulary"}
REFUSED |= {"$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"}

MOST_PROPERTIES = 400  # the library follows 2,000 ways to go on, and needs 4 for each that may be left out
MOST_MULTIPLE = 10_000  # becomes an automaton of so many states: of 99,999,989 it took more than 20 s
MOST_NUMBER = 2**53  # above it a JSON reader may round
MOST_VALUE_DEPTH = 16
# Escapes for these are not in the library's grammar: with them a name could be spelt in two ways, and evade its schema.
CONTROL = re.compile("[\x00-\x07\x0b\x0e-\x1f\x7f]")
# Of ECMA 262's regular expressions, what the library (Rust's regex) reads as ECMA does; the library refuses more.
PATTERN = re.compile(
    r"""(?: [^\\\[(] | \\[dDwWsSnrtfvbBpPxuk0-9\W_] | \((?!\?) | \(\?: | \(\?<\w
    | \[(?!\^?\]) (?: [^\\\[\]&~-] | \\. | &(?!&) | ~(?!~) | -(?!-) )* \] )*""",
    re.VERBOSE | re.DOTALL,
)


def refused(place: str, why: str = "is not supported") -> RequestError:
    """The error that names a place."""
    message = f"could not hold the answer to this schema: {place or 'it'} {why}"
    return RequestError(message, code="unsupported_schema", param="response_format")


def is_silent(word: str, place: str) -> bool:
    """Whether a word has no say in what is valid. `$id` at the root has none: every `$ref` here begins with #."""
    return word in SILENT or word.startswith("x-") or (word == "$id" and not place)


def place_of(word: str, number: int, place: str) -> str:
    """Where a word of the schema at `place` stands. Raises RequestError for one that is not taken."""
    if word in TAKEN:
        return f"{place}/{word}"
    if word in REFUSED:
        raise refused(f"{place}/{word}")
    raise refused(f"{place}/{{{number}}}", "is no word of JSON Schema")


def check_name(word: str, name: str, number: int, place: str) -> None:
    """Raise RequestError for one property too many, or a name that is a pattern and cannot be followed."""
    if word == "properties" and number == MOST_PROPERTIES:
        raise refused(place, f"is a property too many: at most {MOST_PROPERTIES}")
    if word == "patternProperties":
        check_value("pattern", name, place)


def check_value(word: str, value: Any, place: str) -> None:
    """Raise RequestError for a value of a plain word that an answer cannot be held to, or that the library misreads."""
    if not is_portable(value):
        raise refused(place, "has a control character, a number above 2^53 or too many levels")
    if word == "pattern" and isinstance(value, str) and not PATTERN.fullmatch(value):
        raise refused(place, "has what regular expressions of ECMA 262 have not, or have with another meaning")
    if word == "minProperties" and isinstance(value, int) and value > 1:
        raise refused(place, "is over 1, and a name can come twice")
    if word.startswith("exclusive") and isinstance(value, bool):
        raise refused(place, "is not a number")


def is_portable(value: Any, depth: int = 0) -> bool:
    """Whether a JSON value reads the same everywhere, and the library can spell it."""
    if isinstance(value, str):
        return not CONTROL.search(value)
    if isinstance(value, (int, float)):
        return abs(value) <= MOST_NUMBER
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return depth < MOST_VALUE_DEPTH and all(is_portable(one, depth + 1) for one in inner)


def check_multiples(numbers: Iterable[float], place: str) -> None:
    """Raise RequestError when the least common multiple of all positive numbers among them is too large, counted in
    units of their last decimal place."""
    decimals = [Decimal(str(one)) for one in numbers if one > 0]
    finest = min([0, *(int(one.as_tuple().exponent) for one in decimals)])
    if math.lcm(*(int(one.scaleb(-finest)) for one in decimals)) > MOST_MULTIPLE:
        raise refused(place, f"makes a common multiple over {MOST_MULTIPLE}")
