"""Anthropic's requests as chat requests: what each block becomes. No service is asked."""

from __future__ import annotations

from typing import Any

import pytest

from noghost.api.message_request import conversation, sampling
from noghost.api.message_schema import CountRequest, MessagesRequest

WEATHER = {"name": "weather", "description": "Look.", "input_schema": {"type": "object"}}


def chat(*messages: Any, **fields: Any) -> dict[str, Any]:
    """The fields of the chat request."""
    return conversation(CountRequest.model_validate({"messages": list(messages), **fields}))


def said(*messages: Any, **fields: Any) -> list[dict[str, Any]]:
    """Its messages."""
    found: list[dict[str, Any]] = chat(*messages, **fields)["messages"]
    return found


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return user(*content) | {"role": "assistant"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words, "cache_control": {"type": "ephemeral", "ttl": "1h"}}


CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Lima", "é": [1.0, None]}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "18°"}


def test_texts_and_system() -> None:
    assert said(user("Hi")) == [{"role": "user", "content": "Hi"}]
    assert said(user(text("a"), text("b")), system=[text("x"), text("y")]) == [
        {"role": "system", "content": "x\ny"},
        {"role": "user", "content": "a\nb"},
    ]
    assert said(user("Hi"), system="Be kind.", cache_control={"type": "ephemeral"})[0]["content"] == "Be kind."
    assert said(user("Hi"), system="") == said(user("Hi"), system=[]) == said(user("Hi"))


def test_messages_of_one_role_are_joined() -> None:
    assert said(user("a"), user("b"), assistant("c"), assistant(text("d")), user("e")) == [
        {"role": "user", "content": "a\nb"},
        {"role": "assistant", "content": "c\nd"},
        {"role": "user", "content": "e"},
    ]


def test_a_system_message_stands_where_it_stood() -> None:
    later = {"role": "system", "content": "Now in French."}
    assert [message["role"] for message in said(user("a"), later, user("b"))] == ["user", "system", "user"]


def test_calls_and_results() -> None:
    asked, answered = said(user("?"), assistant(text("I look."), CALL), user(RESULT, text("Well?")))[1:3]
    function = {"name": "weather", "arguments": '{"city": "Lima", "é": [1.0, null]}'}
    call = {"id": "toolu_1", "type": "function", "function": function}
    assert asked == {"role": "assistant", "content": "I look.", "tool_calls": [call]}
    assert answered == {"role": "tool", "tool_call_id": "toolu_1", "content": "18°"}
    assert said(user("?"), assistant(CALL), user(RESULT, text("Well?")))[-1] == {"role": "user", "content": "Well?"}


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"content": [text("a"), text("b")]}, "a\nb"),
        ({"content": []}, ""),
        ({"content": None}, ""),
        ({"content": "no such city", "is_error": True}, "Error: no such city"),
    ],
)
def test_what_a_result_says(fields: dict[str, Any], content: str) -> None:
    assert said(user("?"), assistant(CALL), user(RESULT | fields))[-1]["content"] == content


def test_thinking_is_reasoning_and_what_is_redacted_is_nothing() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "xyz"}
    redacted = {"type": "redacted_thinking", "data": "abc"}
    assert said(user("?"), assistant(thought, redacted, text("Yes.")), user("And?"))[1] == {
        "role": "assistant",
        "content": "Yes.",
        "reasoning_content": "Hm.",
    }


def test_tools() -> None:
    function = {"name": "weather", "description": "Look.", "parameters": {"type": "object"}, "strict": False}
    assert chat(user("?"), tools=[WEATHER])["tools"] == [{"type": "function", "function": function}]
    bare = chat(user("?"), tools=[{"type": "custom", "name": "t", "input_schema": {}, "strict": True}])["tools"][0]
    assert bare["function"] == {"name": "t", "parameters": {}, "strict": True}
    assert "tools" not in chat(user("?"), tools=[])


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, ("auto", True)),
        ({"type": "any", "disable_parallel_tool_use": True}, ("required", False)),
        ({"type": "none"}, ("none", True)),
        ({"type": "tool", "name": "weather"}, ({"type": "function", "function": {"name": "weather"}}, True)),
    ],
)
def test_tool_choice(choice: dict[str, Any], expected: tuple[Any, bool]) -> None:
    fields = chat(user("?"), tools=[WEATHER], tool_choice=choice)
    assert (fields["tool_choice"], fields["parallel_tool_calls"]) == expected


def test_how_it_is_drawn() -> None:
    asked = {"messages": [user("?")], "max_tokens": 3, "temperature": 1, "stop_sequences": ["END"], "top_k": 5}
    fields = sampling(MessagesRequest.model_validate(asked))
    assert (fields["max_tokens"], fields["temperature"], fields["stop"], fields["top_k"]) == (3, 1, ["END"], 5)
    assert "top_p" not in fields
