"""What the chunks of a provider's chat completion say, as events. PURE, in an instance.

Covered: pieces in an order that no answer has, or of other types than the API promises, are an error.
Not covered: choices beside the first, which nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from noghost.api.upstream.faults import broken, filtered, unreadable
from noghost.engine.families.events import CallArguments, CallBegun, CallEnded, Content, Event, Reasoning

Reason = Literal["stop", "length", "tool_calls"]
THOUGHTS = ("reasoning_content", "reasoning")  # DeepSeek's and OpenRouter's; who sends both says it twice


class Deltas:
    """One answer as it comes. Raises UpstreamError."""

    def __init__(self) -> None:
        self._said_reason: str | None = None
        self._calls = 0  # that have begun
        self._theirs: Any = None  # the provider's own index of the last
        self._is_open = False  # whether it can grow

    def read(self, chunk: dict[str, Any]) -> list[Event]:
        """The events of one chunk."""
        events: list[Event] = []
        for choice in chunk["choices"]:
            if not isinstance(choice, dict) or not isinstance(delta := choice.get("delta") or {}, dict):
                raise unreadable()
            if choice.get("index", 0) == 0:
                events += self._events(delta)
                self._said_reason = choice.get("finish_reason") or self._said_reason
        return events

    def finish(self) -> list[Event]:
        """The events that its end brings."""
        return list(self._end_call())

    @property
    def reason(self) -> Reason:
        """Why it ended."""
        match self._said_reason:
            case None:
                raise broken()
            case "content_filter":
                raise filtered()
            case "length":
                return "length"
            case _:
                return "tool_calls" if self._calls else "stop"

    def _events(self, delta: dict[str, Any]) -> Iterator[Event]:
        thought = next((delta[name] for name in THOUGHTS if delta.get(name)), None)
        if thought:
            yield Reasoning(text_of(thought))
        if delta.get("content"):
            yield Content(text_of(delta["content"]))
        calls = delta.get("tool_calls") or []
        if not isinstance(calls, list):
            raise unreadable()
        for call in calls:
            yield from self._call(call)

    def _call(self, call: Any) -> Iterator[Event]:
        """A piece of a call, which a name begins."""
        if not isinstance(call, dict) or not isinstance(function := call.get("function") or {}, dict):
            raise unreadable()
        name, arguments, theirs = function.get("name"), function.get("arguments"), call.get("index")
        if name and not (self._is_open and theirs is not None and theirs == self._theirs):
            yield from self._end_call()
            self._theirs, self._is_open = theirs, True
            yield CallBegun(self._calls, text_of(name))
            self._calls += 1
        if not self._is_open or theirs not in (None, self._theirs):
            raise unreadable()
        if arguments:
            yield CallArguments(self._calls - 1, text_of(arguments))

    def _end_call(self) -> Iterator[Event]:
        if self._is_open:
            self._is_open = False
            yield CallEnded(self._calls - 1)


def text_of(value: Any) -> str:
    """It, where it is text."""
    if not isinstance(value, str):
        raise unreadable()
    return value
