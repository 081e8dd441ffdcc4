"""/v1/tokenize and /v1/detokenize: vLLM's and llama-server's forms, and what a request would really begin with."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from api.wire import ask, healthy, post
from noghost.weights.find import find
from running import Service
from stock import stock_server

TEXT = "Žluťoučký kůň 👻 <|im_start|>user"
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def tokenize(service: Service, **fields: Any) -> dict[str, Any]:
    reply = post(service, json.dumps(fields).encode(), "/v1/tokenize")
    assert reply.status == 200, reply.error
    answer: dict[str, Any] = reply.json
    return answer


def text_of(service: Service, tokens: list[int]) -> dict[str, Any]:
    reply = post(service, json.dumps({"tokens": tokens}).encode(), "/v1/detokenize")
    assert reply.status == 200, reply.error
    answer: dict[str, Any] = reply.json
    return answer


def test_there_and_back(service: Service) -> None:
    answer = tokenize(service, prompt=TEXT, return_token_strs=True)
    assert set(answer) == {"count", "max_model_len", "tokens", "token_strs"}
    assert answer["count"] == len(answer["tokens"]) == len(answer["token_strs"])
    assert answer["max_model_len"] == 8192
    assert answer["token_strs"][-2:] == ["<|im_start|>", "user"]
    assert text_of(service, answer["tokens"]) == {"prompt": TEXT, "content": TEXT}
    assert tokenize(service, prompt="")["tokens"] == []
    assert tokenize(service, prompt=TEXT)["token_strs"] is None
    plain = tokenize(service, content=TEXT, parse_special=False)["tokens"]
    assert plain != answer["tokens"]
    assert text_of(service, plain)["prompt"] == TEXT


@pytest.mark.slow
def test_they_are_llama_servers(service: Service) -> None:
    with stock_server(find().path) as stock, httpx.Client(base_url=stock.url) as client:
        for fields in (
            {"content": TEXT},
            {"content": TEXT, "with_pieces": True},
            {"content": TEXT, "add_special": True},
        ):
            theirs = client.post("/tokenize", json=fields).json()["tokens"]
            assert tokenize(service, **fields)["tokens"] == theirs
        tokens = tokenize(service, content=TEXT)["tokens"]
        theirs = client.post("/detokenize", json={"tokens": tokens}).json()["content"]
        assert text_of(service, tokens)["content"] == theirs


def test_a_conversation_has_the_tokens_of_a_chat_request(service: Service) -> None:
    answer = tokenize(service, messages=TALK, return_token_strs=True)
    usage = ask(service, messages=TALK).json["usage"]
    assert answer["count"] == usage["prompt_tokens"]
    assert "completion_tokens_details" not in usage, "this model does not reason"
    assert "".join(answer["token_strs"]).endswith("<|im_end|>\n<|im_start|>assistant\n")
    closed = tokenize(service, messages=TALK, add_generation_prompt=False)
    assert text_of(service, closed["tokens"])["prompt"].endswith("Hi<|im_end|>\n")
    going_on = [*TALK, {"role": "assistant", "content": "Hello th"}]
    assert text_of(service, tokenize(service, messages=going_on)["tokens"])["prompt"].endswith("assistant\nHello th")
    ended = tokenize(service, messages=going_on, continue_final_message=False, add_generation_prompt=False)
    assert text_of(service, ended["tokens"])["prompt"].endswith("Hello th<|im_end|>\n")


def test_special_tokens_where_the_model_wants_them(kinds: Service) -> None:
    """BERT's: [CLS] before, [SEP] after."""
    the_cat = [4, 5]
    for fields, expected in (
        ({"prompt": "the cat"}, [2, *the_cat, 3]),
        ({"prompt": "the cat", "add_special_tokens": False}, the_cat),
        ({"content": "the cat"}, the_cat),
        ({"content": "the cat", "add_special": True}, [2, *the_cat, 3]),
        ({"content": "the cat", "add_special_tokens": True, "add_special": False}, [2, *the_cat, 3]),
    ):
        assert tokenize(kinds, model="embedding", **fields)["tokens"] == expected


TOOLS = [{"type": "function", "function": {"name": "now"}}]
CALLED = {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "now"}}]}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("tokenize", {}, "prompt"),
    ("tokenize", {"prompt": "a", "content": "a"}, "content"),
    ("tokenize", {"prompt": "a", "messages": TALK}, "messages"),
    ("tokenize", {"messages": []}, "messages"),
    ("tokenize", {"messages": TALK, "add_special_tokens": True}, "add_special_tokens"),
    ("tokenize", {"prompt": "a", "tools": TOOLS}, "tools"),
    ("tokenize", {"messages": TALK, "tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice"),
    ("tokenize", {"messages": TALK, "tool_choice": "required"}, "tool_choice"),
    ("tokenize", {"messages": [*TALK, CALLED]}, "messages"),
    ("tokenize", {"messages": TALK, "continue_final_message": True}, "continue_final_message"),
    ("tokenize", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0]"),
    ("tokenize", {"prompt": 5}, "prompt"),
    ("detokenize", {}, "tokens"),
    ("detokenize", {"tokens": "a"}, "tokens"),
    ("detokenize", {"tokens": [49_152]}, "tokens"),
    ("detokenize", {"tokens": [-1]}, "tokens"),
    ("detokenize", {"tokens": [2**40]}, "tokens"),
]


@pytest.mark.parametrize(("path", "fields", "param"), WRONG, ids=[f"{path} {str(one)[:40]}" for path, one, _ in WRONG])
def test_what_cannot_be(service: Service, path: str, fields: dict[str, Any], param: str) -> None:
    reply = post(service, json.dumps(fields).encode(), f"/v1/{path}")
    assert reply.status == 400
    assert str(reply.error["param"]).startswith(param)
    assert healthy(service)


def test_it_is_not_in_the_ledger(service: Service) -> None:
    reply = post(service, json.dumps({"prompt": TEXT}).encode(), "/v1/tokenize")
    computed = ask(service)
    kept = service.noghost("receipts", "--json").stdout
    assert computed.headers["noghost-instance"] in kept, "control"
    assert reply.headers["noghost-instance"] not in kept
