"""The arguments of a GLM call as a grammar: pairs of key and value, texts without quotes. PURE, in an instance.

Only the properties that a schema lists are written, in its order. A line feed may stand between two signs, as GLM-4.5
and 4.6 write it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from noghost.engine.families.glm_call import KEY, KEY_END, VALUE, VALUE_END
from noghost.engine.families.tools import only_text
from noghost.engine.rules import Rules
from noghost.engine.schema_words import refused

OF_ARGUMENTS = {"type", "properties", "required", "additionalProperties", "$defs", "definitions"}
OF_TEXT = {"type", "enum", "const", "minLength", "maxLength"}
BREAK = r"/\n?/"


def pairs(schema: Mapping[str, Any], rules: Rules) -> str:
    """What stands between a call's name and its end. `schema` is a checked one. Raises RequestError for what of it
    cannot be held in this form."""
    for word in schema.keys() - OF_ARGUMENTS:
        raise refused(f"/{word}", "cannot be held in this model's syntax of calls")
    properties, required = schema.get("properties") or {}, schema.get("required") or []
    unlisted = {name: True for name in required if name not in properties}
    return " ".join((*_each(properties | unlisted, required, schema.get("$defs") or {}, rules), BREAK))


def _each(properties: Mapping[str, Any], required: list[str], defs: Mapping[str, Any], rules: Rules) -> Iterator[str]:
    for number, (name, schema) in enumerate(properties.items()):
        key = f"{BREAK} {rules.literal(KEY + name + KEY_END)} {BREAK} {rules.literal(VALUE)}"
        value = _value(schema, defs, f"/properties/{{{number}}}", rules)
        yield f"{key} {value}" if name in required else f"({key} {value})?"


def _value(schema: Any, defs: Mapping[str, Any], place: str, rules: Rules) -> str:
    """A value and its end."""
    if not only_text(schema):
        whole = {"$defs": defs, **(schema if isinstance(schema, Mapping) else {})}
        return f"{rules.json(whole)} {rules.literal(VALUE_END)}"
    for word in schema.keys() - OF_TEXT:
        raise refused(f"{place}/{word}", "cannot be held in this model's syntax of calls, which has no quotes")
    texts = [schema["const"]] if "const" in schema else schema.get("enum")
    if texts is not None:
        return f"({' | '.join(json.dumps(text, ensure_ascii=False) for text in texts)}) {rules.literal(VALUE_END)}"
    return rules.closed(VALUE_END, f"{schema.get('minLength', 0)},{schema.get('maxLength', '')}")
