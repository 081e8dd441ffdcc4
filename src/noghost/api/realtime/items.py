"""What was said in a conversation: items in order, as OpenAI's Realtime API has them. In an instance, nowhere else.

Sound is not kept: of what was spoken, by either side, the text is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from noghost.api.realtime.schema import Choice, ChosenTool, Item, Options, ResponseOptions, Session, Tool, Truncate
from noghost.api.realtime.spoken import Spoken
from noghost.api.realtime.wire import fresh_id
from noghost.errors import RequestError

Entry = dict[str, Any]
ROOT = "root"
MOST_ITEMS = 4096


class Conversation:
    """The items, and of answers that were spoken what is needed to cut them."""

    def __init__(self) -> None:
        self.items: list[Entry] = []
        self.forgotten: set[str] = set()  # too old for the context; they can still be retrieved
        self.spoken: dict[str, Spoken] = {}

    def find(self, name: str) -> Entry:
        """The item of that name. RequestError."""
        for item in self.items:
            if item["id"] == name:
                return item
        raise RequestError("there is no such item in this conversation", code="item_not_found", param="item_id")

    def add(self, item: Entry, after: str | None = None) -> str | None:
        """At the end, or after another; the name of the one before it. RequestError."""
        if len(self.items) >= MOST_ITEMS or any(item["id"] == other["id"] for other in self.items):
            raise RequestError("an item of this name is there already, or there are too many", param="item")
        at = len(self.items)
        if after is not None:
            at = 0 if after == ROOT else self.items.index(self.find(after)) + 1
        self.items.insert(at, item)
        return self.items[at - 1]["id"] if at else None

    def remembered(self) -> list[Entry]:
        """What an answer is given."""
        return [item for item in self.items if item["id"] not in self.forgotten]

    def delete(self, name: str) -> None:
        """RequestError where there is none."""
        self.items.remove(self.find(name))
        self.spoken.pop(name, None)

    def truncate(self, event: Truncate) -> None:
        """Cut what was not heard. RequestError."""
        item = self.find(event.item_id)
        spoken = self.spoken.get(event.item_id)
        if item.get("role") != "assistant" or spoken is None:
            raise RequestError("only an answer that was spoken can be cut", code="invalid_value", param="item_id")
        if event.audio_end_ms / 1000 > spoken.sent_s + 0.5:
            raise RequestError("audio_end_ms is after the end of the sound", param="audio_end_ms")
        cut(item, spoken.heard(event.audio_end_ms / 1000))


def cut(item: Entry, transcript: str) -> None:
    """Leave this of its text."""
    item["content"] = [{"type": "output_audio", "transcript": transcript}]


def item_of(item: Item) -> Entry:
    """One that the caller brings. Its sound is still in it."""
    told = item.model_dump(exclude_none=True)
    return {**told, "id": item.id or fresh_id("item")}


def fresh_message(role: str, status: str, content: list[Entry]) -> Entry:
    """One that is made here."""
    return {
        "id": fresh_id("item"),
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": content,
    }


# --- as a chat completion has it ------------------------------------------------------------------------------


def chat_of(session: Session, options: ResponseOptions, items: list[Entry]) -> dict[str, Any]:
    """The request that asks for the same answer."""
    said: Options = merged_options(session, options)
    instructions = [{"role": "system", "content": said.instructions}] if said.instructions else []
    limit = said.max_output_tokens
    return {
        "model": session.model,
        "messages": instructions + list(messages_of(items)),
        "continue_final_message": False,
        "max_completion_tokens": None if limit == "inf" else limit,
        "tools": [tool_of(tool) for tool in said.tools],
        "tool_choice": choice_of(said.tool_choice),
        "parallel_tool_calls": said.parallel_tool_calls,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def merged_options(session: Session, options: ResponseOptions) -> Options:
    """What one answer says itself, and the session otherwise."""
    own = {name: getattr(options, name) for name in options.model_fields_set & Options.model_fields.keys()}
    return Options.model_construct(**{name: getattr(session, name) for name in Options.model_fields} | own)


def messages_of(items: list[Entry]) -> Iterator[dict[str, Any]]:
    """The conversation; an answer without words is none, and calls of one turn belong to one message."""
    return (message for group in groups_of(items) if (message := message_of(group)))


def first_of(items: list[Entry], count: int) -> Iterator[Entry]:
    """The items of so many messages at the begin."""
    for group in groups_of(items):
        if count == 0:
            return
        count -= message_of(group) is not None
        yield from group


def groups_of(items: list[Entry]) -> Iterator[list[Entry]]:
    """Each item, or calls that follow each other."""
    for is_call, run in groupby(items, lambda item: item["type"] == "function_call"):
        alike = list(run)
        yield from [alike] if is_call else ([item] for item in alike)


def message_of(group: list[Entry]) -> dict[str, Any] | None:
    """What they say; None for nothing."""
    item = group[0]
    if item["type"] == "function_call":
        return {"role": "assistant", "content": "", "tool_calls": [call_of(call) for call in group]}
    if item["type"] == "function_call_output":
        return {"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}
    text = text_of(item)
    return {"role": item["role"], "content": text} if text else None


def call_of(item: Entry) -> Entry:
    """A call as a chat request has it."""
    function = {"name": item["name"], "arguments": item["arguments"]}
    return {"id": item["call_id"], "type": "function", "function": function}


def text_of(item: Entry) -> str:
    """What a message says."""
    return "\n".join(part.get("text") or part.get("transcript") or "" for part in item["content"]).strip()


def tool_of(tool: Tool) -> Entry:
    """A tool as a chat request has it."""
    return {"type": "function", "function": tool.model_dump(exclude={"type"}, exclude_none=True)}


def choice_of(choice: Choice) -> Any:
    """OpenAI's `tool_choice` of a chat request."""
    return {"type": "function", "function": {"name": choice.name}} if isinstance(choice, ChosenTool) else choice
