"""Takes an answer apart as it comes. PURE, in an instance."""

from __future__ import annotations

from collections.abc import Callable

from noghost.engine.families.events import Event
from noghost.engine.families.output import Output
from noghost.engine.families.reader import Reader, Step
from noghost.engine.families.tools import Tools

Walk = Callable[[Reader, Output, Tools, str], Step[None]]


class Parser:
    """Text in, events out. All of an answer makes the same events, joined, however it was split.

    It holds back what could be the beginning of a marker, the whitespace before one, and a call of which the tool is
    not known yet. It never raises: what is no call of a tool that was offered stays text.
    """

    def __init__(self, walk: Walk, tools: Tools, prompt: str, *, trims: bool) -> None:
        """`walk` reads an answer to `prompt`; see `Family.parser`."""
        self._reader, self._out = Reader(), Output(trims=trims)
        self._steps = walk(self._reader, self._out, tools, prompt)

    def feed(self, text: str) -> list[Event]:
        """Return what is certain now."""
        self._reader.add(text)
        next(self._steps, None)
        return self._out.take()

    def finish(self) -> list[Event]:
        """Return the rest, at the end of the answer."""
        self._reader.end()
        next(self._steps, None)
        self._out.finish()
        return self._out.take()
