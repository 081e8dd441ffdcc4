"""Conversations as other programs keep them, small and with everything in them that is read or left out."""

from __future__ import annotations

from typing import Any

MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]},
    {"role": "tool", "content": "4", "tool_call_id": "a"},
]

SHARE: dict[str, Any] = {
    "id": "x",
    "system": "Be brief.",
    "tools": "[]",
    "conversations": [
        {"from": "human", "value": "Hi"},
        {"from": "function_call", "value": "{}", "weight": 0},
        {"from": "observation", "value": "4"},
        {"from": "gpt", "value": "Four."},
    ],
}

CLAUDE: dict[str, Any] = {
    "uuid": "u",
    "name": "A name / of it",
    "created_at": "2025-05-01T10:00:00.123456Z",
    "updated_at": "2025-05-01T10:02:00.000000Z",
    "account": {"uuid": "a"},
    "chat_messages": [
        {
            "uuid": "1",
            "sender": "human",
            "text": "Hi",
            "content": [{"type": "text", "text": "Hi", "start_timestamp": None, "stop_timestamp": None}],
            "created_at": "2025-05-01T10:00:01.000000Z",
            "attachments": [{"file_name": "a.txt", "file_size": 3, "file_type": "txt", "extracted_content": "abc"}],
            "files": [{"file_name": "b.png"}],
        },
        {
            "uuid": "2",
            "sender": "assistant",
            "text": "Hello.\n```\nThis block is not supported on your current device yet.\n```\nBye.",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "start_timestamp": "2025-05-01T10:00:02.000000Z"},
                {"type": "text", "text": "Hello.", "start_timestamp": "2025-05-01T10:00:03.000000Z"},
                {"type": "tool_use", "name": "web_search", "input": {}},
                {"type": "tool_result", "content": []},
                {"type": "text", "text": "Bye.", "stop_timestamp": "2025-05-01T10:00:09.500000Z"},
            ],
            "created_at": "2025-05-01T10:00:10.000000Z",
            "attachments": [],
            "files": [],
        },
        {"uuid": "3", "sender": "human", "text": "An older message.", "created_at": "2025-05-01T10:01:00+00:00"},
    ],
}


def node(key: str, parent: str | None, role: str, content: dict[str, Any], **further: Any) -> dict[str, Any]:
    """One node of the tree, with the fields that every message has."""
    author = {"role": role, "name": further.pop("name", None), "metadata": {}}
    message = {"id": key, "author": author, "create_time": 1746093600.25, "content": content, "recipient": "all"}
    return {"id": key, "parent": parent, "children": [], "message": message | {"metadata": {}} | further}


def text(*parts: object, kind: str = "text") -> dict[str, Any]:
    return {"content_type": kind, "parts": list(parts)}


NODES: list[dict[str, Any]] = [
    {"id": "root", "parent": None, "children": ["s"], "message": None},
    node("s", "root", "system", text("")),
    node("m", "s", "user", {"content_type": "user_editable_context", "user_profile": "x"}),
    node("u", "m", "user", text({"content_type": "image_asset_pointer"}, "What is it?", kind="multimodal_text")),
    node("old", "u", "assistant", text("An answer that was not kept.")),
    node("th", "u", "assistant", {"content_type": "thoughts", "thoughts": []}),
    node("c", "th", "assistant", {"content_type": "code", "text": "1 + 1"}, recipient="python"),
    node("t", "c", "tool", {"content_type": "execution_output", "text": "2"}, name="python"),
    node("a", "t", "assistant", text("A cat.", "Two."), metadata={"model_slug": "gpt-4o"}),
]
CHATGPT: dict[str, Any] = {
    "title": "Cats",
    "create_time": 1746093600.0,
    "mapping": {each["id"]: each for each in NODES},
    "current_node": "a",
    "conversation_id": "x",
}
