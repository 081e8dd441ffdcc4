"""The output of one response as it grows: items, and their events in OpenAI's order. PURE, in an instance.

An answer is a row of items, one open at a time. Each is added, filled and done:

    reasoning      output_item.added  content_part.added  reasoning_text.delta…  reasoning_text.done  content_part.done
    message        output_item.added  content_part.added  output_text.delta…     output_text.done     content_part.done
    function_call  output_item.added  function_call_arguments.delta…  function_call_arguments.done

and then output_item.done. The same text in other pieces makes the same items; only the deltas differ.
Source: the types of the official `openai` package (openai.types.responses).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from noghost.engine.families.events import CallArguments, CallBegun, CallEnded, Content, Event, Reasoning

Data = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """What differs between two items that hold one text."""

    prefix: str  # of the id
    part: str  # type of the part that holds the text, and the first word of its events
    item: Data  # as it is when it is added
    more: Data  # of the part beside its text


MESSAGE = Kind("msg_", "output_text", {"type": "message", "role": "assistant"}, {"annotations": [], "logprobs": []})
REASONING = Kind("rs_", "reasoning_text", {"type": "reasoning", "summary": []}, {})

FIRST = {"content_index": 0}  # a text item has one part


class Output:
    """The items so far. Every method yields events without their number (`response_events.py` gives it)."""

    def __init__(self, name: str) -> None:
        """`name` is the instance's, in hexadecimal digits; every id is made of it."""
        self.items: list[Data] = []
        self._name = name
        self._kind: Kind | None = None  # of the open item; None for a call, and where none is open
        self._open = False
        self._logprobs: list[Data] = []  # of tokens whose text has not come

    def take(self, events: Sequence[Event], logprobs: Sequence[Data] = ()) -> Iterator[Data]:
        """What became certain. `logprobs` are of the tokens since the last call; those of a message's text are kept."""
        self._logprobs += logprobs
        for event in events:
            match event:
                case Content(text):
                    yield from self._say(MESSAGE, text)
                case Reasoning(text):
                    yield from self._say(REASONING, text)
                case CallBegun(_, name):
                    yield from self._begin_call(name)
                case CallArguments(_, text):
                    yield from self._argue(text)
                case CallEnded():
                    yield from self.close()

    def close(self, status: str = "completed") -> Iterator[Data]:
        """End the open item, where there is one. A call whose arguments are not whole is incomplete."""
        if not self._open:
            return
        self._open, item = False, self.items[-1]
        if self._kind is None:
            yield self._event("response.function_call_arguments.done", arguments=item["arguments"])
            status = "completed" if is_json(item["arguments"]) else "incomplete"
        else:
            yield from self._end_part(self._kind, item["content"][0])
        item["status"] = status
        yield {"type": "response.output_item.done", "output_index": self._index, "item": item}

    @property
    def _index(self) -> int:
        return len(self.items) - 1

    def _say(self, kind: Kind, text: str) -> Iterator[Data]:
        """A piece of text into an item of this kind, the open one or a new one."""
        if not (self._open and self._kind is kind):
            yield from self._begin(kind.prefix, {**kind.item, "content": []}, kind)
            self.items[-1]["content"].append({"type": kind.part, "text": "", **deepcopy(kind.more)})
            yield self._event("response.content_part.added", **FIRST, part=deepcopy(self.items[-1]["content"][0]))
        part = self.items[-1]["content"][0]
        part["text"] += text
        seen: Data = {}
        if kind is MESSAGE:
            seen = {"logprobs": self._logprobs}
            part["logprobs"] += self._logprobs
        self._logprobs = []
        yield self._event(f"response.{kind.part}.delta", **FIRST, delta=text, **seen)

    def _begin_call(self, name: str) -> Iterator[Data]:
        call_id = f"call_{self._name}{len(self.items):02x}"
        yield from self._begin("fc_", {"type": "function_call", "call_id": call_id, "name": name, "arguments": ""})

    def _argue(self, text: str) -> Iterator[Data]:
        self.items[-1]["arguments"] += text
        yield self._event("response.function_call_arguments.delta", delta=text)

    def _begin(self, prefix: str, item: Data, kind: Kind | None = None) -> Iterator[Data]:
        yield from self.close()
        if kind is not MESSAGE:
            self._logprobs = []
        self.items.append(
            {"id": f"{prefix}{self._name}{len(self.items):02x}", **deepcopy(item), "status": "in_progress"}
        )
        self._open, self._kind = True, kind
        yield {"type": "response.output_item.added", "output_index": self._index, "item": deepcopy(self.items[-1])}

    def _end_part(self, kind: Kind, part: Data) -> Iterator[Data]:
        seen = {"logprobs": part["logprobs"]} if kind is MESSAGE else {}
        yield self._event(f"response.{kind.part}.done", **FIRST, text=part["text"], **seen)
        yield self._event("response.content_part.done", **FIRST, part=part)

    def _event(self, kind: str, **more: Any) -> Data:
        return {"type": kind, "item_id": self.items[-1]["id"], "output_index": self._index, **more}


def is_json(text: str) -> bool:
    """Whether it is whole."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
