"""Collects the events of one answer, in order. PURE, in an instance.

Whitespace beside a marker is layout of the template's, not the answer's: it is dropped where the syntax says so.
"""

from __future__ import annotations

from noghost.engine.families.events import CallArguments, CallBegun, CallEnded, Content, Event, Reasoning


class Output:
    """What was read so far and not taken yet."""

    def __init__(self, *, trims: bool) -> None:
        """`trims`: drop whitespace beside markers. Whitespace at the answer's own two ends is kept."""
        self._trims = trims
        self._events: list[Event] = []
        self._kind: type[Reasoning | Content] = Content
        self._space = ""  # held back: a marker may follow, and then it is dropped
        self._after_marker = False
        self._calls = 0
        self._in_call = self._has_arguments = False

    def take(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def reasoning(self, text: str) -> None:
        """Add to the reasoning."""
        self._text(Reasoning, text)

    def content(self, text: str) -> None:
        """Add to the answer."""
        self._text(Content, text)

    def mark(self) -> None:
        """Say that a marker stands here, which is no text."""
        if self._trims:
            self._space, self._after_marker = "", True

    def begin(self, name: str) -> None:
        """Begin a call; one that is open ends."""
        self.end()
        self.mark()
        self._events.append(CallBegun(self._calls, name))
        self._calls += 1
        self._in_call, self._has_arguments = True, False

    def arguments(self, text: str) -> None:
        """Add to the open call's arguments."""
        self._has_arguments = self._has_arguments or bool(text)
        self._add(CallArguments(self._calls - 1, text))

    def end(self) -> None:
        """End the open call, if there is one. A call without arguments has an empty object of them."""
        if self._in_call and not self._has_arguments:
            self.arguments("{}")
        self._close()

    def finish(self) -> None:
        """The answer ends here: a call that is open stays as it was cut."""
        self._close()
        self._add(self._kind(self._space))

    def _close(self) -> None:
        if self._in_call:
            self._events.append(CallEnded(self._calls - 1))
        self._in_call = False

    def _text(self, kind: type[Reasoning | Content], text: str) -> None:
        if not self._trims:
            self._add(kind(text))
            return
        text = self._space + text
        if self._after_marker:
            text = text.lstrip()
        shown = text.rstrip()
        self._kind, self._space = kind, text[len(shown) :]
        self._after_marker = self._after_marker and not shown
        self._add(kind(shown))

    def _add(self, event: Reasoning | Content | CallArguments) -> None:
        """Append, or join with the event before it if that is of the same kind; not if there is no text."""
        if not event.text:
            return
        last = self._events[-1] if self._events else None
        if isinstance(event, CallArguments):
            if isinstance(last, CallArguments) and last.index == event.index:
                self._events[-1] = CallArguments(event.index, last.text + event.text)
                return
        elif isinstance(last, type(event)):
            self._events[-1] = type(event)(last.text + event.text)
            return
        self._events.append(event)
