"""GLM's tool calls: a name, and each argument as a key and a value in tags. PURE, in an instance.

`<tool_call>NAME<arg_key>K</arg_key><arg_value>V</arg_value>…</tool_call>`, with line feeds between them (GLM-4.5, 4.6)
or without (4.7), perhaps without arguments. Texts are written as they are, all other values as JSON; the tool's schema
says which is which. (docs.z.ai; the models' chat templates)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from noghost.engine.families.output import Output
from noghost.engine.families.reader import Reader, Step
from noghost.engine.families.tools import Tools, json_of, only_text, quote

KEY, KEY_END = "<arg_key>", "</arg_key>"
VALUE, VALUE_END = "<arg_value>", "</arg_value>"
CALL, CALL_END = "<tool_call>", "</tool_call>"


def glm_call(reader: Reader, out: Output, tools: Tools) -> Step[bool]:
    """After `<tool_call>`. A call is one once its name is a tool's and an argument or the end follows it."""
    reader.hold()
    yield from reader.peek()
    name = yield from reader.one_of(*tools)
    yield from reader.peek()
    mark = yield from reader.one_of(KEY, CALL_END)
    if not name or not mark:
        reader.back()
        return False
    reader.release()
    out.begin(name)
    properties = tools[name].get("properties")
    if (yield from _arguments(reader, out, properties if isinstance(properties, Mapping) else {}, mark)):
        out.end()
    return True


def _arguments(reader: Reader, out: Output, properties: Mapping[str, Any], mark: str) -> Step[bool]:
    """Read arguments until the call's end; tell whether it came. Text between them that belongs to none is content."""
    before = "{"
    while mark == KEY:
        key = yield from _key(reader)
        if key is None:
            out.content(KEY)
        else:
            out.arguments(f"{before}{quote(key)}: ")
            before = ", "
            if not (yield from _value(reader, out, properties.get(key))):
                return False
        mark = yield from reader.until((KEY, CALL_END, CALL), out.content, in_call=True)
    if mark == CALL:
        reader.unread(CALL)
    if mark and before != "{":
        out.arguments("}")
    return bool(mark)


def _key(reader: Reader) -> Step[str | None]:
    """Read a key and the beginning of its value; None, and nothing read, if that is not what stands here."""
    reader.hold()
    pieces: list[str] = []
    mark = yield from reader.until((KEY_END, KEY, VALUE, CALL_END), pieces.append)
    if mark == KEY_END and (yield from reader.in_order(VALUE)):
        reader.release()
        return "".join(pieces).strip()
    reader.back()
    return None


def _value(reader: Reader, out: Output, schema: Any) -> Step[bool]:
    """Read a value; tell whether it was whole. A text is told as it comes, other values when they are whole."""
    if only_text(schema):
        out.arguments('"')
        whole = yield from reader.until((VALUE_END,), lambda text: out.arguments(quote(text)[1:-1]))
        out.arguments('"' if whole else "")
        return bool(whole)
    pieces: list[str] = []
    whole = yield from reader.until((VALUE_END,), pieces.append)
    text = "".join(pieces)
    out.arguments(json_of(text, schema) if whole else text)
    return bool(whole)
