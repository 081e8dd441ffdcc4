"""/v1/embeddings: OpenAI's client, llama-server's numbers, one record for each request."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from api.wire import Reply, get, healthy, post
from noghost.weights.find import find
from running import Service, wait_for
from stock import Stock, stock_server

PATH = "/v1/embeddings"
LONG = "The sea is wide and the ships on it are small. " * 30  # several batches
TEXTS = ["The sea is wide.", "Ich sehe was, was du nicht siehst: 👻", LONG]
SENTENCES = ["the cat sat on the cat", "the", "on on on sat"]
Vector = list[float]


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def embed(url: str, texts: Any, **fields: Any) -> list[Vector]:
    """Of either server."""
    reply = httpx.post(url + PATH, json={"input": texts, "model": "default", **fields}, timeout=60)
    assert reply.status_code == 200, reply.text
    assert [one["index"] for one in reply.json()["data"]] == list(range(len(reply.json()["data"])))
    return [one["embedding"] for one in reply.json()["data"]]


def refused(service: Service, **fields: Any) -> dict[str, Any]:
    reply: Reply = post(service, json.dumps(fields).encode(), PATH)
    assert reply.status == 400
    assert healthy(service)
    return reply.error


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    with stock_server(find().path, pooling="MEAN") as found:
        yield found


@pytest.mark.slow
def test_the_vectors_are_llama_servers(service: Service, stock: Stock) -> None:
    ours, theirs = embed(service.url, TEXTS), embed(stock.url, TEXTS)
    for one, other in zip(ours, theirs, strict=True):
        assert cosine(one, other) >= 0.999
        assert math.hypot(*one) == pytest.approx(1, abs=1e-6)
        assert math.hypot(*other) == pytest.approx(1, abs=1e-6)
    assert cosine(ours[0], ours[1]) < 0.99, "control: two texts are told apart"


@pytest.mark.slow
def test_a_model_that_only_embeds_is_pooled_as_its_file_says(kinds: Service) -> None:
    ours = embed(kinds.url, SENTENCES, model="embedding")
    with stock_server(Path(kinds.home / "embedding.gguf"), n_ctx=64, pooling="") as stock:
        theirs = embed(stock.url, SENTENCES)
    with stock_server(Path(kinds.home / "embedding.gguf"), n_ctx=64, pooling="MEAN") as stock:
        means = embed(stock.url, SENTENCES)
    assert min(map(cosine, ours, theirs)) >= 0.999
    assert min(map(cosine, ours, means)) < 0.999, "control: another pooling gives another vector"


def test_a_model_that_only_embeds_answers_nothing(kinds: Service) -> None:
    for path, body in (
        ("/v1/completions", {"prompt": "the cat"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "the cat"}]}),
    ):
        reply = post(kinds, json.dumps(body | {"model": "embedding"}).encode(), path)
        assert (reply.status, reply.error["param"]) == (400, "model")
        assert PATH in reply.error["message"]
    error = refused(kinds, model="embedding", input="cat " * 70)
    assert (error["code"], "64" in error["message"]) == ("context_length_exceeded", True)


def test_the_openai_client_and_both_encodings(client: OpenAI, service: Service) -> None:
    answer = client.embeddings.create(model="default", input=TEXTS[:2])  # it asks for base64 by itself
    floats = client.embeddings.create(model="default", input=TEXTS[:2], encoding_format="float", user="nobody")
    assert [one.embedding for one in answer.data] == [one.embedding for one in floats.data]
    assert (answer.object, answer.data[0].object) == ("list", "embedding")
    assert answer.model == client.models.list().data[0].id
    counted = sum(
        post(service, json.dumps({"prompt": text}).encode(), "/v1/tokenize").json["count"] for text in TEXTS[:2]
    )
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == counted


@pytest.mark.slow
def test_every_form_of_input_and_many_of_them(service: Service) -> None:
    tokens = post(service, json.dumps({"prompt": TEXTS[0]}).encode(), "/v1/tokenize").json["tokens"]
    alone = embed(service.url, TEXTS[0], noghost={"threads": 1})
    assert embed(service.url, tokens, noghost={"threads": 1}) == alone
    assert embed(service.url, [[float(token) for token in tokens]], noghost={"threads": 1}) == alone, "1.0 is 1"
    many = embed(service.url, [f"Number {n}." for n in range(40)] + [TEXTS[0]], noghost={"threads": 1})
    assert many[40:] == alone, "what came before it leaves nothing in it"
    assert len({tuple(vector) for vector in many}) == 41


def test_its_own_number_of_dimensions_alone(client: OpenAI, service: Service) -> None:
    width = len(client.embeddings.create(model="default", input="a", dimensions=576).data[0].embedding)
    assert width == 576
    error = refused(service, input="a", dimensions=64)
    assert (error["param"], error["code"]) == ("dimensions", "unsupported_parameter")


def test_a_text_longer_than_the_context(strict: Service) -> None:
    error = refused(strict, input=["short", "word " * 600])
    assert (error["param"], error["code"]) == ("input[1]", "context_length_exceeded")
    assert "512" in error["message"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "input"),
    ({"input": ""}, "input"),
    ({"input": []}, "input"),
    ({"input": ["a", ""]}, "input"),
    ({"input": [[]]}, "input"),
    ({"input": ["a"] * 2049}, "input"),
    ({"input": [1, "a"]}, "input"),
    ({"input": [49_152]}, "input[0]"),
    ({"input": [[1], [-1]]}, "input[1]"),
    ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
    ({"input": "a", "noghost": {"capsule": True}}, "noghost"),
    ({"input": "a", "noghost": {"threads": 256}}, "noghost.threads"),
]


@pytest.mark.parametrize(("fields", "param"), WRONG, ids=[str(wrong[0])[:40] for wrong in WRONG])
def test_what_cannot_be(service: Service, fields: dict[str, Any], param: str) -> None:
    assert str(refused(service, **fields)["param"]).startswith(param)


def test_it_is_recorded_as_an_answer_is(service: Service) -> None:
    reply = post(service, json.dumps({"input": "marker of a record"}).encode(), PATH)
    name = reply.headers["noghost-instance"]

    def closed() -> Any:
        rows = json.loads(service.noghost("receipts", "--json").stdout)
        return [row for row in rows if row["opened"]["id"] == name and row["ended"]]

    wait_for(closed, 10, "its closed entry")
    end = closed()[0]["ended"]
    assert (end["outcome"], end["wipe"], end["answer_tokens"]) == ("answered", "verified", 0)
    assert end["prompt_tokens"] > 0
    assert "marker" not in get(service, "/v1/receipts/" + name).body.decode()
