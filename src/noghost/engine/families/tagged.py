"""Answers whose reasoning stands between two tags, and whose tool calls begin with a marker. PURE, in an instance.

A marker that no call follows is text, as it stands, and reading goes on behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from noghost.engine.families.output import Output
from noghost.engine.families.reader import Reader, Step
from noghost.engine.families.tools import Tools

Call = Callable[[Reader, Output, Tools], Step[bool]]


@dataclass(frozen=True)
class Syntax:
    """How one family writes.

    `think`: the tags around reasoning. `calls`: what reads a call, by the marker that it follows; "" is the beginning
    of the answer. `layout`: markers that say nothing. `thinks_to_call`: a call ends the reasoning by itself.
    """

    think: tuple[str, str] | None = None
    calls: Mapping[str, Call] = field(default_factory=dict)
    layout: tuple[str, ...] = ()
    thinks_to_call: bool = False

    @property
    def markers(self) -> tuple[str, ...]:
        """Everything that is not text."""
        return (*(self.think or ()), *filter(None, self.calls), *self.layout)


def tagged(syntax: Syntax, reader: Reader, out: Output, tools: Tools, prompt: str) -> Step[None]:
    """Read an answer to `prompt`, which may end in an opening tag of the reasoning."""
    if (yield from _thinks(syntax, reader, prompt)):
        out.mark()
        yield from _reasoning(syntax, reader, out, tools)
    yield from _content(syntax, reader, out, tools)


def _thinks(syntax: Syntax, reader: Reader, prompt: str) -> Step[bool]:
    """Tell whether the answer begins with reasoning, and read its opening tag."""
    if syntax.think is None:
        return False
    return prompt.rstrip().endswith(syntax.think[0]) or (yield from reader.maybe(syntax.think[0]))


def _reasoning(syntax: Syntax, reader: Reader, out: Output, tools: Tools) -> Step[None]:
    assert syntax.think is not None, "there is no reasoning without tags"
    opening = _openings(syntax, tools) if syntax.thinks_to_call else ()
    while marker := (yield from reader.until((syntax.think[1], *opening), out.reasoning)):
        if marker == syntax.think[1]:
            return out.mark()
        if (yield from syntax.calls[marker](reader, out, tools)):
            return None
        out.reasoning(marker)
    return None


def _content(syntax: Syntax, reader: Reader, out: Output, tools: Tools) -> Step[None]:
    if "" in syntax.calls and tools:
        yield from syntax.calls[""](reader, out, tools)
    layout = syntax.layout if tools else ()
    while marker := (yield from reader.until((*_openings(syntax, tools), *layout), out.content)):
        if marker in layout:
            out.mark()
        elif not (yield from syntax.calls[marker](reader, out, tools)):
            out.content(marker)


def _openings(syntax: Syntax, tools: Tools) -> tuple[str, ...]:
    """The markers of calls, where there is something to call."""
    return tuple(filter(None, syntax.calls)) if tools else ()
