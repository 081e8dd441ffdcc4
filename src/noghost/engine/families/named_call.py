"""Tool calls that name the tool before the JSON of its arguments: newer Mistral, DeepSeek-R1. PURE, in an instance."""

from __future__ import annotations

from noghost.engine.families.json_call import json_calls, nowhere, value
from noghost.engine.families.output import Output
from noghost.engine.families.reader import Reader, Step
from noghost.engine.families.tools import Tools


def mistral_call(reader: Reader, out: Output, tools: Tools) -> Step[bool]:
    """After `[TOOL_CALLS]`: a JSON list (2024), or `NAME[ARGS]{…}` or `NAME[CALL_ID]ID[ARGS]{…}` (2025)."""
    if (yield from reader.peek()) in ("[", "{"):
        return (yield from json_calls(reader, out, tools))
    reader.hold()
    name = yield from reader.one_of(*tools)
    between = yield from reader.one_of("[CALL_ID]", "[ARGS]")
    if between == "[CALL_ID]":  # the id is dropped: the caller of the parser makes ids
        between = yield from reader.until(("[ARGS]", "[TOOL_CALLS]", "\n"), nowhere)
    return (yield from _arguments(reader, out, name if between == "[ARGS]" else "", ()))


def deepseek_call(reader: Reader, out: Output, tools: Tools) -> Step[bool]:
    """After `<｜tool▁call▁begin｜>`: `function<｜tool▁sep｜>NAME`, a line feed, and fenced JSON."""
    reader.hold()
    name = ""
    if (yield from reader.in_order("function", "<｜tool▁sep｜>")):
        name = yield from reader.one_of(*tools)
    fenced = name and (yield from reader.in_order("```json"))
    found = yield from _arguments(reader, out, name if fenced else "", ("```", "<｜tool▁call▁end｜>"))
    for word in ("```", "<｜tool▁call▁end｜>") if found else ():
        yield from reader.closing(word)
    return found


def _arguments(reader: Reader, out: Output, name: str, close: tuple[str, ...]) -> Step[bool]:
    """A call of `name` with the object that follows; back to what is held if there is no name or no object."""
    if not name or (yield from reader.peek()) != "{":
        reader.back()
        return False
    reader.release()
    out.begin(name)
    yield from value(reader, out.arguments, close)
    out.end()
    return True
