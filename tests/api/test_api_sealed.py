"""Sealed invocations against a real service: what is answered, and every way in which one does not hold."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from api.between import MOST, between, flip
from api.wire import ASKED, PATIENCE_S, Reply, connect, exchange, receive
from noghost.client.sealed import AsyncSealedTransport, SealedTransport, Trust
from noghost.client.sealed.trust import read_key
from noghost.errors import ConfigError, SealedError, VerificationError
from noghost.keys.store import Store
from noghost.ledger.keys import Signer
from noghost.ledger.receipt import Receipt
from noghost.ledger.statement import Stated, verify
from noghost.sealed.frames import BINARY, Frames, close, frame
from noghost.sealed.records import Opener
from noghost.sealed.request import seal
from running import Service, running, wait_for

HEALTH = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("sealed")) as found:
        yield found


@contextmanager
def sealed_client(service: Service, folder: Path, **trust: Any) -> Iterator[httpx.Client]:
    transport = SealedTransport(Trust(service.url, seen_dir=folder, **trust))
    with httpx.Client(transport=transport, base_url=service.url, timeout=PATIENCE_S) as client:
        yield client


def posted(body: dict[str, Any]) -> bytes:
    """A chat completion as HTTP/1.0."""
    data = json.dumps(body).encode()
    head = b"POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(data) + data


MADE: list[Raw] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Every connection that a test made."""
    yield
    while MADE:
        MADE.pop().connection.close()


class Raw:
    """A caller that can do wrong."""

    def __init__(self, service: Service, *more: str, host: str | None = None) -> None:
        self.connection = connect(service)
        MADE.append(self)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /v1/sealed HTTP/1.1", f"Host: {host or f'127.0.0.1:{service.port}'}", "Connection: Upgrade"]
        lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *more]
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode())
        self.frames = Frames(MOST, masked=False)
        self.messages: list[bytes] = []

    def opened(self) -> tuple[bytes, Stated]:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.connection.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        opening = self.message()
        return opening, verify(opening)

    def message(self) -> bytes:
        """The next; EOFError at the end."""
        while not self.messages:
            data = b""
            with suppress(ConnectionResetError):
                data = self.connection.recv(65536)
            if not data:
                raise EOFError
            self.messages += self.frames.take(data)
        return self.messages.pop(0)

    def to_the_end(self) -> list[bytes]:
        """All that still comes."""
        found = []
        with suppress(EOFError):
            while True:
                found.append(self.message())
        return found

    def say(self, message: bytes) -> None:
        self.connection.sendall(frame(BINARY, message, masks=True))

    def told(self) -> tuple[int, str]:
        """The code and the word of its end, whatever came before."""
        self.to_the_end()
        assert self.frames.closed
        return self.frames.closed

    def answered(self, request: bytes) -> tuple[bytes, Opener]:
        opening, stated = self.opened()
        sealed, opener = seal(request, stated.statement.public, opening)
        self.say(sealed)
        return sealed, opener


def test_every_answer_is_the_ordinary_one(service: Service, tmp_path: Path) -> None:
    asked = {**ASKED, "max_tokens": 8, "seed": 1, "noghost": {"threads": 1}}
    plain = httpx.post(f"{service.url}/v1/chat/completions", json=asked, timeout=PATIENCE_S).json()
    with sealed_client(service, tmp_path) as client:
        answer = client.post("/v1/chat/completions", json=asked)
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/nothing").json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["choices"] == plain["choices"]
    assert answer.headers["noghost-instance"] == answer.json()["noghost"]["instance"]


def test_openai_clients_stream_through_it(service: Service, tmp_path: Path) -> None:
    asked: dict[str, Any] = {**ASKED, "model": "default", "max_tokens": 8, "stream": True}
    with sealed_client(service, tmp_path) as client:
        talk = OpenAI(base_url=f"{service.url}/v1", api_key="none", http_client=client)
        pieces = [event.choices[0].delta.content or "" for event in talk.chat.completions.create(**asked)]

    async def asking() -> list[str]:
        transport = AsyncSealedTransport(Trust(service.url, seen_dir=tmp_path))
        async with httpx.AsyncClient(transport=transport, timeout=PATIENCE_S) as client:
            talk = AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none", http_client=client)
            return [event.choices[0].delta.content or "" async for event in await talk.chat.completions.create(**asked)]

    assert len(pieces) > 4
    assert asyncio.run(asking()) == pieces


def test_the_statement_is_that_of_the_receipt(service: Service) -> None:
    raw = Raw(service)
    opening, stated = raw.opened()
    asked = posted(ASKED)
    sealed, opener = seal(asked, stated.statement.public, opening)
    raw.say(sealed)
    answer = b""
    while not opener.ended:
        answer += opener.open(raw.message())
    assert answer.startswith(b"HTTP/1.1 200 ")
    text = httpx.get(f"{service.url}/v1/receipts/{stated.statement.id}").text
    opened = Receipt.parse(text).verify(stated.verifier.render()).opened
    assert opened.weights == stated.statement.weights[0]
    assert (opened.build, opened.policy) == (stated.statement.build, stated.statement.policy)


def test_answers_are_padded_although_there_is_no_tls(service: Service) -> None:
    raw = Raw(service)
    asked = posted({**ASKED, "max_tokens": 6, "stream": True})
    _, opener = raw.answered(asked)
    lengths = []
    while not opener.ended:
        lengths.append(len(record := raw.message()))
        opener.open(record)
    assert len(set(lengths[1:-1])) == 1


def test_two_keys_are_never_the_same(service: Service) -> None:
    found = {Raw(service).opened()[1].statement for _ in range(3)}
    assert len({one.public for one in found}) == len({one.id for one in found}) == 3


def test_a_request_in_several_frames_and_a_ping(service: Service) -> None:
    raw = Raw(service)
    opening, stated = raw.opened()
    sealed, opener = seal(HEALTH, stated.statement.public, opening)
    first = bytearray(frame(BINARY, sealed[:40], masks=True))
    first[0] &= 0x7F
    raw.connection.sendall(bytes(first) + frame(9, b"ping", masks=True) + frame(0, sealed[40:], masks=True))
    assert opener.open(raw.message()).startswith(b"HTTP/1.1 200 ")


# --- what does not hold ---------------------------------------------------------------------------------------


def flipped(sealed: bytes) -> bytes:
    """The same, but for one bit of its end."""
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


def test_what_cannot_be_opened_is_told(service: Service) -> None:
    spare = Raw(service)
    other_opening, other = spare.opened()
    ways = {
        "other key": lambda opening, public: seal(HEALTH, other.statement.public, opening)[0],
        "other opening": lambda opening, public: seal(HEALTH, public, other_opening)[0],
        "changed": lambda opening, public: flipped(seal(HEALTH, public, opening)[0]),
        "cut": lambda opening, public: seal(HEALTH, public, opening)[0][:-1],
        "not sealed": lambda opening, public: HEALTH,
        "empty": lambda opening, public: b"",
        "garbage": lambda opening, public: os.urandom(4000),
    }
    for name, way in ways.items():
        raw = Raw(service)
        opening, stated = raw.opened()
        raw.say(way(opening, stated.statement.public))
        assert raw.told() == (4400, "not_opened"), name


def test_a_sealed_request_cannot_be_replayed(service: Service) -> None:
    first = Raw(service)
    sealed, opener = first.answered(HEALTH)
    assert opener.open(first.message()).startswith(b"HTTP/1.1 200 ")
    again = Raw(service)
    again.opened()
    again.say(sealed)
    assert again.told() == (4400, "not_opened")


def test_a_second_use_of_the_key_ends_the_answer_without_its_last_record(service: Service) -> None:
    raw = Raw(service)
    asked = posted({**ASKED, "max_tokens": 500, "stream": True})
    sealed, opener = raw.answered(asked)
    opener.open(raw.message())
    raw.say(sealed)
    for record in raw.to_the_end():
        opener.open(record)
    assert raw.frames.closed == (4409, "key_used")
    with pytest.raises(SealedError):
        opener.end()


def test_garbage_in_the_place_of_frames(service: Service) -> None:
    for wire in (HEALTH, frame(BINARY, b"not masked", masks=False), frame(1, b"text", masks=True), bytes(10)):
        raw = Raw(service)
        raw.opened()
        raw.connection.sendall(wire)
        assert raw.told() == (4400, "frame_malformed")


def test_too_much_and_too_late(strict: Service) -> None:
    raw = Raw(strict)
    raw.opened()
    raw.connection.sendall(b"\x82\xff" + (1 << 40).to_bytes(8, "big"))
    assert raw.told() == (4413, "too_large")
    late = Raw(strict)
    late.opened()
    assert late.told() == (4408, "timeout")


def test_the_inner_request_has_the_ordinary_errors(strict: Service, tmp_path: Path) -> None:
    with sealed_client(strict, tmp_path) as client:
        large = client.post(
            "/v1/chat/completions", content=b" " * 300_000, headers={"content-type": "application/json"}
        )
        assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")
        assert client.get("/healthz", headers={"x-long": "x" * 20_000}).status_code == 431
        assert client.get("/healthz", headers={"host": "rebound.example"}).json()["error"]["code"] == "unknown_host"
        inner = client.get("/v1/sealed", headers={"connection": "Upgrade", "upgrade": "websocket"})
        assert inner.json()["error"]["code"] == "sealed_only"


def test_half_a_request_inside_is_answered_sealed(service: Service) -> None:
    for half in (b"", b"GET /heal", b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{}"):
        raw = Raw(service)
        _, opener = raw.answered(half)
        answer = b""
        while not opener.ended:
            answer += opener.open(raw.message())
        assert answer.startswith(b"HTTP/1.1 400 "), half
        assert b"invalid_http" in answer


def test_what_is_not_an_upgrade_is_an_ordinary_error(service: Service) -> None:
    for method in ("GET", "POST"):
        asked = f"{method} /v1/sealed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        assert exchange(service, asked.encode()).error["code"] == "sealed_only"
    refused = b"GET /v1/sealed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n"
    assert exchange(service, refused % b"").error["code"] == "sealed_only"
    assert exchange(service, refused % b"Sec-WebSocket-Version: 12\r\n").error["code"] == "sealed_only"


def refusal_of(raw: Raw) -> Reply:
    return receive(raw.connection)


def test_a_page_of_another_origin_gets_nothing(service: Service) -> None:
    own = f"127.0.0.1:{service.port}"
    Raw(service, f"Origin: http://{own}").opened()
    for origin in ("http://evil.example", f"http://{own}.evil.example", "null", "http://localhost:1"):
        assert refusal_of(Raw(service, f"Origin: {origin}")).error["code"] == "unknown_origin"
    assert refusal_of(Raw(service, host="rebound.example")).error["code"] == "unknown_host"


def test_a_caller_that_leaves_ends_the_instance(service: Service) -> None:
    raw = Raw(service)
    asked = posted({**ASKED, "max_tokens": 4000, "stream": True, "ignore_eos": True})
    _, opener = raw.answered(asked)
    assert opener.open(raw.message()).startswith(b"HTTP/1.1 200 ")
    raw.connection.sendall(close(1000, masks=True))
    raw.to_the_end()
    wait_for(lambda: not service.instances(), 20, "the instance to be gone")


def test_keys_are_asked_for_inside(tmp_path: Path) -> None:
    made, _ = Store(tmp_path / "noghost" / "keys" / "hashes").add("the first")
    with running(tmp_path, "--keys") as service, sealed_client(service, tmp_path) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.get("/v1/models", headers={"authorization": f"Bearer {made}"}).status_code == 200


# --- whose service it is --------------------------------------------------------------------------------------


def test_a_changed_key_stops_with_both_fingerprints(service: Service, tmp_path: Path) -> None:
    other = Signer.create().verifier
    with sealed_client(service, tmp_path) as client:
        assert client.get("/healthz").is_success
    (pin,) = tmp_path.glob("sealed-*")
    assert service.url not in pin.read_text()
    pin.write_text(f"{other.render()}\n")
    with sealed_client(service, tmp_path) as client, pytest.raises(VerificationError) as caught:
        client.get("/healthz")
    assert caught.value.message.count("sha256 ") == 2
    assert pin.name in caught.value.hint
    with sealed_client(service, tmp_path, vkey=other.render()) as client, pytest.raises(VerificationError):
        client.get("/healthz")


def test_a_key_from_a_file(service: Service, tmp_path: Path) -> None:
    told = service.noghost("receipts", "checkpoint").stderr
    (tmp_path / "key").write_text(next(line for line in told.splitlines() if line.startswith("key ")))
    with sealed_client(service, tmp_path, vkey=read_key(tmp_path / "key")) as client:
        assert client.get("/healthz").is_success
    assert not list(tmp_path.glob("sealed-*"))
    (tmp_path / "key").write_text("no key")
    with pytest.raises(ConfigError):
        read_key(tmp_path / "key")


# --- somebody in between --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda n, m: [m], None),
        (lambda n, m: [flip(m)] if n == 2 else [m], "record_changed"),
        (lambda n, m: [m, m] if n == 2 else [m], "record_order"),
        (lambda n, m: [] if n == 2 else [m], "record_order"),
        (lambda n, m: [m] if n < 3 else [], "truncated"),
    ],
    ids=["nothing", "changed", "replayed", "left-out", "truncated"],
)
def test_who_is_in_between_can_change_nothing(service: Service, tmp_path: Path, change: Any, code: str | None) -> None:
    with (
        between(service.port, change) as there,
        httpx.Client(transport=SealedTransport(Trust(there.url, seen_dir=tmp_path)), timeout=PATIENCE_S) as client,
    ):
        asked = {**ASKED, "max_tokens": 6, "stream": True}
        if code is None:
            assert client.post(f"{there.url}/v1/chat/completions", json=asked).text.endswith("data: [DONE]\n\n")
            return
        with pytest.raises(SealedError) as caught:
            client.post(f"{there.url}/v1/chat/completions", json=asked)
        assert caught.value.code == code


def test_no_instance_was_refused_a_call(service: Service, tmp_path: Path) -> None:
    """It has all that it needs from the warden: no import, no file."""
    assert "refused" not in service.log
