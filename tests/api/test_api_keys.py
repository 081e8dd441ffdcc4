"""A service that asks for API keys: who is let in, how the others are told, and that nothing of theirs is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from openai import AuthenticationError, OpenAI
from starlette.types import Message, Receive, Scope, Send

from api.wire import ASKED, Reply, connect, exchange, get, head, healthy, receive
from noghost.api.here import Here, Recorder
from noghost.api.keys import AsksKey
from noghost.config import Limits
from noghost.keys.key import Entry, Keys, mint
from noghost.keys.store import Store
from noghost.timeline import Timeline
from noghost.weights.find import find
from running import Service, running

PATHS = ("/v1/models", "/v1/receipts/" + "0" * 32, "/docs", "/openapi.json", "/nothing", "/healthz/", "//healthz")
PATHS += ("/v1/embeddings", "/v1/responses", "/v1/tokenize", "/v1/detokenize", "/metrics", "/readyz/")
FORMS = ("Authorization: Bearer {}", "authorization: bearer  {} ", "X-Api-Key: {}", "x-api-key:{}")


@dataclass
class Keyed:
    """A service that asks, one of its keys, and its file of hashes."""

    service: Service
    key: str
    path: Path

    def status(self, key: str) -> int:
        return exchange(self.service, head("GET", "/v1/models", f"Authorization: Bearer {key}")).status


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    home = tmp_path_factory.mktemp("keyed")
    path = home / "noghost" / "keys" / "hashes"
    key, _ = Store(path).add("the first")
    with running(home, "--keys", "--context", "512") as service:
        yield Keyed(service, key, path)


def refused(reply: Reply) -> str:
    """Its words, after all else of a 401 was checked."""
    assert (reply.status, reply.error["code"], reply.error["param"]) == (401, "invalid_api_key", None)
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.headers["connection"] == "close"
    return str(reply.error["message"])


@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_health_is_open(keyed: Keyed, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert "asks for an API key" in refused(get(keyed.service, path, method))
    assert healthy(keyed.service)


@pytest.mark.parametrize("form", FORMS)
def test_who_has_a_key_is_let_in(keyed: Keyed, form: str) -> None:
    body = json.dumps(ASKED).encode()
    headers = (form.format(keyed.key), "Content-Type: application/json", f"Content-Length: {len(body)}")
    assert exchange(keyed.service, head("POST", "/v1/chat/completions", *headers), body).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        ("Authorization: Bearer {wrong}",),
        ("X-Api-Key: {wrong}",),
        ("X-Api-Key: {key}x",),
        ("Authorization: Basic {key}",),
        ("Authorization: {key}",),
        ("Authorization: Bearer",),
        ("Authorization:",),
        ("Authorization: Bearer {key}", "Authorization: Bearer {key}"),
        ("X-Api-Key: {key}", "X-Api-Key: {wrong}"),
        ("Authorization: Bearer {wrong}", "X-Api-Key: {key}"),
        ("X-Api-Key: \xff\x00{key}",),
    ],
)
def test_what_is_not_exactly_a_key_is_refused(keyed: Keyed, headers: tuple[str, ...]) -> None:
    lines = [line.format(key=keyed.key, wrong=keyed.key[:12] + mint()[12:]) for line in headers]
    reply = exchange(keyed.service, head("GET", "/v1/models", *lines))
    if "\0" in headers[0]:
        assert reply.status == 400, "not HTTP"
    else:
        assert "not one of this service's" in refused(reply)
    assert keyed.key not in reply.body.decode()


def test_the_query_and_the_path_carry_no_key(keyed: Keyed) -> None:
    refused(get(keyed.service, f"/v1/models?api_key={keyed.key}&key={keyed.key}"))


def test_a_body_is_not_asked_for_before_the_key_holds(keyed: Keyed) -> None:
    """Nothing of the body is sent: the 401 comes all the same, and `100 Continue` to the one who has a key alone."""
    headers = ("Content-Length: 1000000", "Content-Type: application/json", "Expect: 100-continue")
    with connect(keyed.service) as connection:
        connection.sendall(head("POST", "/v1/chat/completions", *headers))
        refused(receive(connection))
    with connect(keyed.service) as connection:
        connection.sendall(head("POST", "/v1/chat/completions", *headers, f"X-Api-Key: {keyed.key}"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")


def test_openai_s_client_sends_its_key_unchanged(keyed: Keyed) -> None:
    with OpenAI(base_url=keyed.service.url + "/v1", api_key=keyed.key, max_retries=0, timeout=60) as client:
        assert client.models.list().data
    with (
        OpenAI(base_url=keyed.service.url + "/v1", api_key=mint(), max_retries=0, timeout=60) as client,
        pytest.raises(AuthenticationError) as told,
    ):
        client.models.list()
    assert told.value.code == "invalid_api_key"


def test_anthropic_s_client_sends_its_key_unchanged(keyed: Keyed) -> None:
    asked: Any = {"model": "default", "messages": ASKED["messages"], "max_tokens": 1}
    with Anthropic(base_url=keyed.service.url, api_key=keyed.key, max_retries=0, timeout=60) as client:
        assert client.messages.create(**asked).usage.output_tokens == 1
    with (
        Anthropic(base_url=keyed.service.url, api_key=mint(), max_retries=0, timeout=60) as client,
        pytest.raises(anthropic.AuthenticationError) as told,
    ):
        client.messages.create(**asked)
    assert told.value.body["error"]["type"] == "authentication_error"  # type: ignore[call-overload, index]


@pytest.mark.slow
def test_the_hunter_comes_in_with_the_key_of_its_environment(keyed: Keyed) -> None:
    # By the model's file it knows what of an answer is no find: the model may recite the system prompt of its template.
    of = ("--url", keyed.service.url, "--pid", str(keyed.service.pid), "--tokenizer", str(find(as_published=True).path))
    hunting = ("hunt", *of, "--wait", "1")
    turned_away = keyed.service.noghost(*hunting)
    assert turned_away.returncode == 2
    assert "NOGHOST_API_KEY" in turned_away.stderr
    keyed.service.env["NOGHOST_API_KEY"] = keyed.key
    try:
        let_in = keyed.service.noghost(*hunting)
        assert let_in.returncode == 0, let_in.stdout
    finally:
        del keyed.service.env["NOGHOST_API_KEY"]


def test_keys_are_added_and_revoked_without_a_restart(keyed: Keyed) -> None:
    made = keyed.service.noghost("keys", "add", "the second").stdout.strip()
    assert (keyed.status(made), keyed.status(keyed.key)) == (200, 200)
    keyed.service.noghost("keys", "revoke", "the second")
    assert (keyed.status(made), keyed.status(keyed.key)) == (401, 200)


def test_while_the_hashes_cannot_be_read_nobody_is_let_in(keyed: Keyed) -> None:
    whole = keyed.path.read_bytes()
    keyed.path.write_bytes(whole[:-9])
    try:
        for _ in range(2):
            reply = exchange(keyed.service, head("GET", "/v1/models", f"X-Api-Key: {keyed.key}"))
            assert (reply.status, reply.error["code"]) == (503, "keys_unreadable")
            assert reply.headers["retry-after"]
        assert get(keyed.service, "/readyz").error["code"] == "keys_unreadable"
        assert healthy(keyed.service)
    finally:
        keyed.path.write_bytes(whole)
    assert keyed.status(keyed.key) == 200
    assert get(keyed.service, "/readyz").json == {"status": "ready"}
    assert keyed.service.log.count("keys_unreadable:") == 1


def test_by_default_nobody_is_asked_on_loopback(service: Service) -> None:
    assert get(service, "/v1/models").status == 200
    assert exchange(service, head("GET", "/v1/models", "Authorization: Bearer whatever")).status == 200


# --- the middleware by itself ---------------------------------------------------------------------------------


def here(keys: Keys | None) -> Here:
    """An invocation of a service with these keys."""
    recorder: Recorder = SimpleNamespace()  # type: ignore[assignment]  # nothing is recorded
    return Here(bytes(16), Timeline(), (), recorder, Limits(), 1, lambda: 1, keys)


def pass_through(keys: Keys | None, headers: list[tuple[bytes, bytes]]) -> tuple[list[Message], list[Scope], Here]:
    """(what was sent, what the app behind it saw, the invocation)."""
    now, sent, seen = here(keys), list[Message](), list[Scope]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def read() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    state = SimpleNamespace(state=SimpleNamespace(here=now))
    scope: dict[str, Any] = {"type": "http", "app": state, "path": "/v1/models", "headers": headers}
    asyncio.run(AsksKey(app)(scope, read, send))
    return sent, seen, now


@pytest.mark.parametrize("asks", [True, False])
def test_the_app_never_sees_a_key(asks: bool) -> None:
    key = mint()
    entry = Entry.of(key, "x", "2026-01-31T23:59Z")
    carried = [(b"authorization", b"Bearer " + key.encode()), (b"host", b"a"), (b"x-api-key", key.encode())]
    _, (seen,), _ = pass_through(Keys({entry.id: entry}) if asks else None, carried)
    assert seen["headers"] == [(b"host", b"a")]
    assert key not in repr(seen)


def test_a_refusal_is_counted_and_reads_nothing() -> None:
    sent, seen, now = pass_through(Keys(), [(b"x-api-key", mint().encode())])
    assert (seen, now.tally.status, sent[0]["status"]) == ([], 401, 401)
    assert (b"noghost-instance", b"0" * 32) in sent[0]["headers"]


def test_a_fault_while_it_checks_lets_nobody_in() -> None:
    """As when there is no memory for scrypt; here the entry's own salt cannot be used."""
    key = mint()
    entry = Entry(key[3:11], "", "", None, bytes(32))  # type: ignore[arg-type]  # meant to fail
    sent, seen, now = pass_through(Keys({entry.id: entry}), [(b"x-api-key", key.encode())])
    assert (seen, now.tally.status, sent[0]["status"]) == ([], 500, 500)
    assert json.loads(sent[1]["body"])["error"]["type"] == "server_error"
