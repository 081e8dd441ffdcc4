"""Requests to Anthropic's endpoints that are wrong: refused in that API's shape, and the service goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.wire import PATIENCE_S, Reply, connect, exchange, get, head, healthy, post, receive
from running import Service

MESSAGES = "/v1/messages"
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "temperature": 0}
HALF = chr(0xD800)  # half of a surrogate pair
MARKER = "xylophone-of-lead"  # of the caller's, and in no error


@pytest.fixture(autouse=True)
def goes_on(service: Service) -> Iterator[None]:
    yield
    assert healthy(service)


def ask(service: Service, path: str = MESSAGES, **changes: Any) -> Reply:
    return post(service, json.dumps(ASKED | changes).encode(), path)


def error_of(reply: Reply) -> tuple[str, str]:
    """(its type, its words), after its shape was checked."""
    assert set(reply.json) == {"type", "error"}
    assert reply.json["type"] == "error"
    assert set(reply.json["error"]) == {"type", "message"}
    assert MARKER not in reply.body.decode()
    assert "Traceback" not in reply.json["error"]["message"]
    assert len(reply.headers["noghost-instance"]) == 32
    return reply.json["error"]["type"], reply.json["error"]["message"]


def user(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def last(*blocks: Any) -> dict[str, Any]:
    return {"messages": [*ASKED["messages"], {"role": "assistant", "content": list(blocks)}]}


def result(content: Any) -> dict[str, Any]:
    return user({"type": "tool_result", "tool_use_id": "toolu_1", "content": content})


TEXT = {"type": "text", "text": "Hi"}
IMAGE = {"type": "image", "source": {"type": "url", "url": MARKER}}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": MARKER}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
TOOL = {"name": "weather", "input_schema": {"type": "object"}}

# what is changed in a right request, and words of the error
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages: "),
    ({"messages": 5}, "messages: "),
    ({"messages": [5]}, "messages[0]: role must be"),
    ({"messages": [{"content": "Hi"}]}, "messages[0]: role must be"),
    ({"messages": [{"role": MARKER, "content": "Hi"}]}, "messages[0]: role must be"),
    ({"messages": [{"role": "user"}]}, "messages[0].content: "),
    (user(), "messages[0].content: "),
    (user(5), "messages[0].content[0]: only blocks"),
    (user({"type": MARKER}), "messages[0].content[0]: only blocks"),
    (user({"type": ["text"]}), "messages[0].content[0]: only blocks"),
    (user({"type": "text"}), "messages[0].content[0].text"),
    (user({"type": "text", "text": HALF}), "half of a surrogate pair"),
    (user(TEXT, IMAGE), "messages[0].content[1]: only blocks of type text and tool_result"),
    (user(DOCUMENT), "send what is in them as text"),
    (user(CALL), "messages[0].content[0]: only blocks"),
    (result([TEXT, IMAGE]), "send text parts alone"),
    (result(5), "messages[0].content[0]"),
    (user({"type": "tool_result", "content": ""}), "tool_use_id"),
    (last(TEXT, CALL), "takes text alone"),
    (last({"type": "thinking", "thinking": "Hm.", "signature": ""}), "takes text alone"),
    (last({"type": "server_tool_use", "id": "a", "name": MARKER, "input": {}}), "only blocks"),
    ({"max_tokens": None}, "max_tokens: "),
    ({"max_tokens": 0}, "max_tokens: "),
    ({"max_tokens": "5"}, "max_tokens: "),
    ({"temperature": 1.1}, "temperature: "),
    ({"top_p": 2}, "top_p: "),
    ({"top_k": -1}, "top_k: "),
    ({"stop_sequences": [""]}, "stop_sequences[0]: "),
    ({"stop_sequences": ["a"] * 17}, "stop_sequences: "),
    ({"stop_sequences": "a"}, "stop_sequences: "),
    ({"stream": "yes"}, "stream: "),
    ({"system": 5}, "system: "),
    ({"system": [IMAGE]}, "send text parts alone"),
    ({"tools": [{"name": "weather"}]}, "tools[0].input_schema: "),
    ({"tools": [TOOL | {"name": f"{MARKER} "}]}, "tools[0].name: "),
    ({"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]}, "Anthropic's own tools (web_search)"),
    ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "Anthropic's own tools (bash)"),
    ({"tools": [{"type": MARKER, "name": "bash"}]}, "Anthropic's own tools (this kind)"),
    ({"tools": [TOOL | {"defer_loading": True}]}, "defer_loading is not supported"),
    ({"tools": [TOOL | {"input_examples": [{}]}]}, "input_examples is not supported"),
    ({"tool_choice": {"type": "tool"}}, "takes name with the type tool"),
    ({"tool_choice": {"type": MARKER}}, "tool_choice.type: "),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": MARKER}}, "tool_choice"),
    ({"tool_choice": {"type": "any"}}, "tool_choice"),
    ({"thinking": {"type": MARKER}}, "thinking.type: "),
    ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "thinking.budget_tokens: "),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema: "),
    ({"output_config": {"format": {"type": "json_schema", "schema": {"type": MARKER}}}}, "schema"),
    ({"container": MARKER}, "container is not supported"),
    ({"mcp_servers": [{}]}, "mcp_servers is not supported"),
    ({"context_management": {"edits": [{}]}}, "context_management is not supported"),
    ({"diagnostics": {"previous_message_id": MARKER}}, "diagnostics is not supported"),
    ({"speed": "fast"}, "speed is not supported"),
    ({"store": True}, "store is not supported"),
    ({"previous_response_id": MARKER}, "previous_response_id is not supported"),
    ({"noghost": {"capsule": True}}, "noghost.capsule is not supported"),
    ({"noghost": {"threads": 256}}, "noghost.threads"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=[str(wrong[0])[:60] for wrong in WRONG])
def test_a_wrong_value(service: Service, changes: dict[str, Any], words: str) -> None:
    reply = ask(service, **changes)
    kind, message = error_of(reply)
    assert (reply.status, kind) == (400, "invalid_request_error")
    assert words in message


def test_what_asks_for_nothing_is_taken(service: Service) -> None:
    """The control of the table: the same fields with values that can be honoured."""
    harmless = {
        "metadata": {"user_id": "me"},
        "service_tier": "auto",
        "cache_control": {"type": "ephemeral"},
        "container": None,
        "mcp_servers": [],
        "context_management": {"edits": []},
        "diagnostics": {"previous_message_id": None},
        "speed": "standard",
        "tools": [],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stop_sequences": [],
        "a field that nobody knows": 5,
    }
    assert ask(service, **harmless).status == 200
    headers = ("anthropic-version: 1999-01-01", "anthropic-beta: any-2026-01-01", "content-type: application/json")
    body = json.dumps(ASKED).encode()
    path = f"{MESSAGES}?beta=true"
    assert exchange(service, head("POST", path, *headers, f"Content-Length: {len(body)}"), body).status == 200


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"", b"[" * 100_000])
def test_what_is_no_request(service: Service, body: bytes) -> None:
    for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
        reply = post(service, body, path)
        assert (reply.status, error_of(reply)[0]) == (400, "invalid_request_error")


def test_a_model_or_a_path_that_is_none(service: Service) -> None:
    for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
        reply = ask(service, path, model=MARKER)
        assert (reply.status, error_of(reply)[0]) == (404, "not_found_error")
    reply = ask(service, f"{MESSAGES}/batches")
    assert (reply.status, error_of(reply)[0]) == (404, "not_found_error")
    reply = get(service, MESSAGES)
    assert (reply.status, error_of(reply)[0]) == (405, "invalid_request_error")


def test_a_prompt_that_is_too_long(strict: Service) -> None:
    reply = ask(strict, messages=[{"role": "user", "content": f"{MARKER} " * 600}])
    kind, message = error_of(reply)
    assert (reply.status, kind) == (400, "invalid_request_error")
    assert "does not fit the context" in message


def test_a_body_that_is_too_large(strict: Service) -> None:
    reply = ask(strict, system="a" * 300_000)
    assert (reply.status, error_of(reply)[0]) == (413, "request_too_large")


def test_a_body_that_does_not_end(strict: Service) -> None:
    with connect(strict) as connection:
        connection.settimeout(PATIENCE_S)
        connection.sendall(head("POST", MESSAGES, "Content-Length: 9") + b"{")
        reply = receive(connection)
    assert (reply.status, error_of(reply)[0]) == (408, "invalid_request_error")


def test_another_host(service: Service) -> None:
    reply = exchange(service, f"GET {MESSAGES} HTTP/1.1\r\nHost: example.org\r\n\r\n".encode())
    assert (reply.status, error_of(reply)[0]) == (421, "invalid_request_error")


def test_other_paths_keep_their_own_shape(service: Service) -> None:
    for path in ("/v1/messagesx", "/v1/chat/completions/messages"):
        assert get(service, path).error["type"] == "invalid_request_error"
