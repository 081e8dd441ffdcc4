"""Tool calls written as JSON objects: Hermes and Qwen, Llama 3.x, older Mistral. PURE, in an instance.

A call is `{"name": NAME, "arguments": {…}}`; Llama says `parameters`, and may put `"type": "function"` first; Mistral
puts an `id` last, which is dropped: the caller of the parser makes ids. The name comes before the arguments, so that
what is no call is known as soon as its name is none of a tool's.
"""

from __future__ import annotations

import json

from noghost.engine.families.output import Output
from noghost.engine.families.reader import Emit, Reader, Step
from noghost.engine.families.tools import Tools

DEPTH = {"{": 1, "[": 1, "}": -1, "]": -1}


def json_calls(reader: Reader, out: Output, tools: Tools, close: tuple[str, ...] = ()) -> Step[bool]:
    """Read one call, or several one after the other or in a list, and `close` after them if it is there.

    Tells whether there was one; if not, nothing was read.
    """
    reader.hold()
    yield from reader.in_order("[")
    if not (yield from _call(reader, out, tools, close)):
        reader.back()
        return False
    reader.release()
    while (yield from _another(reader, out, tools, close)):
        pass
    yield from reader.maybe("]")
    for word in close:
        yield from reader.closing(word)
    return True


def _another(reader: Reader, out: Output, tools: Tools, close: tuple[str, ...]) -> Step[bool]:
    """One more call, perhaps after a separator."""
    reader.hold()
    yield from reader.peek()
    yield from reader.one_of(",", ";")
    if (yield from _call(reader, out, tools, close)):
        reader.release()
        return True
    reader.back()
    return False


def _call(reader: Reader, out: Output, tools: Tools, close: tuple[str, ...]) -> Step[bool]:
    """Read one object. It is a call once its tool is known and its arguments have begun, or there are none."""
    if not (yield from reader.in_order("{")):
        return False
    yield from reader.maybe('"type"', ":", '"function"', ",")
    if not (yield from reader.in_order('"name"', ":", '"')):
        return False
    name = (yield from reader.one_of(*(f'{name}"' for name in tools))).removesuffix('"')
    if not name:
        return False
    if (yield from reader.maybe("}")):
        out.begin(name)
    elif (yield from _arguments_follow(reader)):
        out.begin(name)
        yield from value(reader, out.arguments, close)
        yield from _skip_id(reader)
        yield from reader.maybe("}")
    else:
        return False
    out.end()
    return True


def _arguments_follow(reader: Reader) -> Step[bool]:
    if not (yield from reader.in_order(",")):
        return False
    yield from reader.peek()
    if not (yield from reader.one_of('"arguments"', '"parameters"')) or not (yield from reader.in_order(":")):
        return False
    return (yield from reader.peek()) in ("{", '"')


def _skip_id(reader: Reader) -> Step[None]:
    reader.hold()
    begun = yield from reader.in_order(",", '"id"', ":", '"')
    if begun and (yield from reader.until(('"', "\n"), nowhere)) != "\n":
        reader.release()
    else:
        reader.back()


def value(reader: Reader, emit: Emit, close: tuple[str, ...] = ()) -> Step[None]:
    """Read an object, or the text of one as a JSON string, and emit it as an object's JSON text.

    As it stands: what is wrong in it stays wrong. It ends with its last bracket or before one of `close`, which
    cannot stand in JSON but in a string, or with the answer.
    """
    if (yield from reader.one_of('"')):
        return (yield from _quoted(reader, emit))
    depth = 0
    while mark := (yield from reader.until((*close, '"', *DEPTH), emit)):
        if mark in close:
            return reader.unread(mark)
        emit(mark)
        if mark == '"':
            yield from _string(reader, emit)
        depth += DEPTH.get(mark, 0)
        if mark in DEPTH and depth <= 0:
            return None
    return None


def _string(reader: Reader, emit: Emit) -> Step[bool]:
    """Emit the rest of a string, its closing quote too; tell whether there was one."""
    while mark := (yield from reader.until(('"', "\\"), emit)):
        emit(mark)
        if mark == '"':
            return True
        emit((yield from reader.take()))
    return False


def _quoted(reader: Reader, emit: Emit) -> Step[None]:
    """Emit what a string says; one that is cut, or wrong, or no Unicode, as it stands."""
    pieces = ['"']
    yield from _string(reader, pieces.append)
    written = "".join(pieces)
    try:
        said = json.loads(written)
        said.encode()  # half of a surrogate pair, which an escape can spell
    except ValueError:
        said = written
    emit(said)


def nowhere(text: str) -> None:
    """Drop it."""
