"""What a caller sends is in the caller's answer alone: not in an error, a log, standard output or a receipt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.wire import ASKED, Reply, ask, exchange, get, head, post
from running import Service

MARKER = "zqxv-marker-7319"

WRONG: list[dict[str, Any]] = [
    {"model": MARKER},
    {"messages": [{"role": MARKER, "content": MARKER}]},
    {"messages": [{"role": "user", "content": {MARKER: MARKER}}]},
    {"messages": [{"role": "user", "content": [{"type": MARKER, "text": MARKER}]}]},
    {"messages": [{"role": "user", "content": [{"type": "text", MARKER: MARKER}]}]},
    {"messages": [{"role": "user", "content": MARKER + chr(0xDC00)}]},
    {"messages": MARKER},
    {"max_tokens": MARKER},
    {"stop": {MARKER: MARKER}},
    {"logit_bias": {MARKER: 1}},
    {"logit_bias": {"5": MARKER}},
    {"noghost": {MARKER: MARKER}},
    {"noghost": {"record_seed": MARKER}},
    {"store": MARKER},
    {"tools": [{"type": "function", "function": {"name": MARKER + " "}}]},
    {
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {MARKER: MARKER}}}],
        "tool_choice": "required",
    },
    {"chat_template_kwargs": {MARKER: MARKER}},
    {"response_format": {"type": MARKER}},
]


ELSEWHERE: list[tuple[str, dict[str, Any]]] = [
    ("/v1/embeddings", {"input": [MARKER, ""]}),
    ("/v1/embeddings", {"input": {MARKER: MARKER}}),
    ("/v1/embeddings", {"input": MARKER, "dimensions": 5}),
    ("/v1/embeddings", {"input": MARKER + chr(0xDC00)}),
    ("/v1/responses", {"input": [{"type": MARKER, "text": MARKER}]}),
    ("/v1/responses", {"input": [{"role": "user", "content": [{"type": MARKER, "text": MARKER}]}]}),
    ("/v1/responses", {"input": MARKER, "tools": [{"type": MARKER, "name": MARKER}]}),
    ("/v1/responses", {"input": MARKER, "include": [MARKER]}),
    ("/v1/responses", {"input": MARKER, "metadata": {MARKER: MARKER * 100}}),
    ("/v1/responses", {"input": MARKER, "text": {"format": {"type": MARKER}}}),
    ("/v1/responses", {"input": MARKER, "previous_response_id": MARKER}),
    ("/v1/tokenize", {"prompt": MARKER, "content": MARKER}),
    ("/v1/tokenize", {"prompt": {MARKER: MARKER}}),
    ("/v1/detokenize", {"tokens": [MARKER]}),
    ("/v1/completions", {"prompt": MARKER, "suffix": MARKER}),
]


def everything_kept(service: Service) -> str:
    """All that the service wrote anywhere but into its ledger's tiles, and what it tells of its ledger."""
    texts = [(service.home / name).read_text() for name in ("stderr", "stdout")]
    return "".join([*texts, service.noghost("receipts", "list").stdout])


def spoken(reply: Reply) -> str:
    return json.dumps(reply.headers) + reply.body.decode()


@pytest.mark.parametrize("changes", WRONG, ids=[str(wrong).replace(MARKER, "M")[:60] for wrong in WRONG])
def test_an_error_repeats_nothing(service: Service, changes: dict[str, Any]) -> None:
    reply = ask(service, **changes)
    assert 400 <= reply.status < 500
    assert reply.error["message"]
    assert MARKER not in spoken(reply)
    assert MARKER not in everything_kept(service)


@pytest.mark.parametrize(("path", "body"), ELSEWHERE, ids=[f"{path} {at}" for at, (path, _) in enumerate(ELSEWHERE)])
def test_nor_does_one_of_another_endpoint(service: Service, path: str, body: dict[str, Any]) -> None:
    reply = post(service, json.dumps(body).encode(), path)
    assert 400 <= reply.status < 500
    assert reply.error["message"]
    assert MARKER not in spoken(reply)
    assert MARKER not in everything_kept(service)


def test_errors_outside_of_the_json_repeat_nothing(service: Service) -> None:
    replies = [
        post(service, b'{"messages": ' + MARKER.encode()),
        post(service, MARKER.encode() + b"\xff"),
        post(service, json.dumps(ASKED | {"model": MARKER}).encode(), kind="text/" + MARKER),
        get(service, "/" + MARKER),
        get(service, "/v1/models/" + MARKER),
        get(service, "/v1/receipts/" + MARKER),
        get(service, "/healthz", MARKER.upper()),
        get(service, "/v1/models/?" + MARKER),
        exchange(service, MARKER.encode() + b"\r\n\r\n"),
        exchange(service, head("GET", "/healthz", f"{MARKER}: {MARKER * 2000}")),
    ]
    assert [reply.status for reply in replies] == [400, 400, 400, 404, 404, 400, 405, 404, 400, 431]
    for reply in replies:
        assert reply.error["message"]
        assert MARKER not in spoken(reply).lower()
    assert MARKER not in everything_kept(service).lower()


def test_an_answer_leaves_nothing(service: Service) -> None:
    """The control: the marker comes back to its caller, and to nobody else."""
    messages = [{"role": "user", "content": f"Repeat this word three times: {MARKER}"}]
    reply = ask(service, messages=messages, max_tokens=40)
    assert reply.status == 200
    assert MARKER[:6] in reply.json["choices"][0]["message"]["content"]
    name = reply.headers["noghost-instance"]
    kept = everything_kept(service) + get(service, "/v1/receipts/" + name).body.decode()
    assert name in kept
    assert MARKER[:6] not in kept
