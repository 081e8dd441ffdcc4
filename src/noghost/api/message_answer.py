"""An answer as Anthropic's API tells it: blocks, and the events that make them grow. PURE, in an instance.

The whole message and the streamed one are the same machine: `feed` returns what a stream sends, and `whole` is what
came of it. Blocks stand one after the other; so text that a model writes within a call follows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from noghost.engine.families.events import CallArguments, CallBegun, CallEnded, Content, Event, Reasoning
from noghost.engine.generate import Done

Wire = dict[str, Any]
# What Anthropic's documentation wraps arguments in that are no JSON, since `input` has to be an object.
NO_JSON = "INVALID_JSON"


class Message:
    """One message as it grows."""

    def __init__(self, instance: str, model: str, prompt_tokens: int, *, shows_thinking: bool = True) -> None:
        """`instance`: the invocation's id as hexadecimal digits, from which all ids are made."""
        self._instance = instance
        self._shows_thinking = shows_thinking
        self._content: list[Wire] = []
        self._is_open = False  # whether the last block can grow
        self._call: int | None = None  # the call that is that block
        self._arguments = ""
        self._waiting: list[Event] = []  # for its end
        self._frame: Wire = {
            "id": f"msg_{instance}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage(prompt_tokens, 0),
        }

    def start(self) -> Wire:
        """The first event."""
        return {"type": "message_start", "message": dict(self._frame)}

    def feed(self, events: Iterable[Event]) -> list[Wire]:
        """The events of a stream for what was just told."""
        return [wire for event in events for wire in self._one(event)]

    def end(self, done: Done, max_tokens: int, facts: Wire) -> list[Wire]:
        """The last events."""
        last = {"stop_reason": self._stop_reason(done, max_tokens), "stop_sequence": done.stop}
        counted = usage(done.prompt_tokens, done.completion_tokens)
        self._frame |= {"content": self._content, **last, "usage": counted, "noghost": facts}
        delta = {"type": "message_delta", "delta": last, "usage": counted, "noghost": facts}
        return [*self._close(), delta, {"type": "message_stop"}]

    @property
    def whole(self) -> Wire:
        """The message, after its end."""
        return self._frame

    def _one(self, event: Event) -> list[Wire]:
        if self._call is not None and not (isinstance(event, CallArguments | CallEnded) and event.index == self._call):
            self._waiting.append(event)
            return []
        match event:
            case Reasoning(text=text):
                return self._grow("thinking", text) if self._shows_thinking else []
            case Content(text=text):
                return self._grow("text", text)
            case CallBegun():
                return self._begin(event)
            case CallArguments(text=text):
                self._arguments += text
                return [self._delta({"type": "input_json_delta", "partial_json": text})]
            case CallEnded():
                return self._end_call()

    def _grow(self, kind: str, text: str) -> list[Wire]:
        """Add to the open block, or to a new one where it is of another kind."""
        opened: list[Wire] = []
        if not self._is_open or self._content[-1]["type"] != kind:
            opened = self._open({"type": kind, kind: "", **({"signature": ""} if kind == "thinking" else {})})
        self._content[-1][kind] += text
        return [*opened, self._delta({"type": f"{kind}_delta", kind: text})]

    def _begin(self, event: CallBegun) -> list[Wire]:
        self._call, self._arguments = event.index, ""
        identifier = f"toolu_{self._instance}_{event.index}"
        return self._open({"type": "tool_use", "id": identifier, "name": event.name, "input": {}})

    def _end_call(self) -> list[Wire]:
        self._content[-1]["input"] = object_of(self._arguments)
        self._call = None
        waiting, self._waiting = self._waiting, []
        return [*self._close(), *self.feed(waiting)]

    def _open(self, block: Wire) -> list[Wire]:
        closed = self._close()
        self._content.append(block)
        self._is_open = True
        return [*closed, {"type": "content_block_start", "index": self._index, "content_block": dict(block)}]

    def _delta(self, delta: Wire) -> Wire:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _close(self) -> list[Wire]:
        was_open, self._is_open = self._is_open, False
        return [{"type": "content_block_stop", "index": self._index}] if was_open else []

    @property
    def _index(self) -> int:
        return len(self._content) - 1

    def _stop_reason(self, done: Done, max_tokens: int) -> str:
        if done.stop is not None:
            return "stop_sequence"
        if done.finish_reason == "length":
            has_more = 0 < done.completion_tokens < max_tokens  # 0: a provider did not count
            return "model_context_window_exceeded" if has_more else "max_tokens"
        return "tool_use" if done.finish_reason == "tool_calls" else "end_turn"


def usage(input_tokens: int, output_tokens: int) -> Wire:
    """Anthropic's `usage`; nothing is read from a cache or put into one."""
    return {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }


def object_of(arguments: str) -> Wire:
    """The arguments of a call; of one that was cut, or is no JSON, its text under NO_JSON."""
    try:
        read = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        read = None
    return read if isinstance(read, dict) else {NO_JSON: arguments}
