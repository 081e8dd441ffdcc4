"""TLS against a real service: what is spoken, what is refused, what is said at the end, what two instances share."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from api.certificates import write_pair
from api.wire import ASKED, PATIENCE_S, connect, exchange, get, head, parse
from running import Service, running, wait_for

PARIS: list[Any] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]
ALERT, HANDSHAKE = 0x15, 0x16  # record types: RFC 8446, 5.1
PROTOCOL_VERSION = 70  # the alert that says so


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With a certificate of its own; session keys would be logged if anything obeyed the environment."""
    home = tmp_path_factory.mktemp("tls")
    environment = {"SSLKEYLOGFILE": str(home / "session-keys")}
    with running(home, *write_pair(home), env=environment) as found:
        yield found


def trusting(service: Service) -> ssl.SSLContext:
    """What a careful caller has: this certificate is trusted, and the name is checked."""
    return ssl.create_default_context(cafile=str(service.home / "certificate.pem"))


def call(service: Service, context: ssl.SSLContext | None = None, **options: Any) -> ssl.SSLSocket:
    """A connection whose handshake is done; an end that is not said raises."""
    context = context or trusting(service)
    return context.wrap_socket(connect(service), server_hostname="127.0.0.1", suppress_ragged_eofs=False, **options)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def none_left(service: Service) -> None:
    wait_for(lambda: not service.instances(), PATIENCE_S, "the instance to end")


def test_the_openai_client_with_the_certificate_checked(secured: Service) -> None:
    with (
        httpx.Client(verify=trusting(secured)) as http,
        OpenAI(base_url=secured.url + "/v1", api_key="none", max_retries=0, http_client=http) as client,
    ):
        asked: dict[str, Any] = {"model": "default", "messages": PARIS, "temperature": 0, "max_tokens": 16}
        whole = client.chat.completions.create(**asked)
        assert whole.choices[0].message.content == "The capital of France is Paris."
        chunks = list(client.chat.completions.create(**asked, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
        assert len(client.embeddings.create(model="default", input="Hi").data[0].embedding) == 576
        told = http.post(secured.url + "/v1/tokenize", json={"prompt": "Hi"})
        assert told.json()["count"] == 1


def test_a_self_signed_certificate_is_the_one_that_was_printed(tmp_path: Path) -> None:
    with running(tmp_path, "--tls") as service:
        assert service.url.startswith("https://127.0.0.1:")
        found = ssl.get_server_certificate(("127.0.0.1", service.port))
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(found)).hexdigest()
        assert service.fingerprint.replace(":", "").lower() == digest
        context = ssl.create_default_context(cadata=found)
        with context.wrap_socket(connect(service), server_hostname="localhost"):
            pass


def test_tls_1_3_http_1_1_and_no_session_to_resume(secured: Service) -> None:
    context = trusting(secured)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with call(secured, context) as first:
        first.sendall(head("GET", "/healthz"))
        assert read_all(first).startswith(b"HTTP/1.1 200 ")
        assert (first.version(), first.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
        session = first.session
        assert session is not None
        assert not session.has_ticket
    with call(secured, context, session=session) as second:
        assert not second.session_reused


def test_an_older_version_is_refused_with_an_alert(secured: Service) -> None:
    context = trusting(secured)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        call(secured, context)


def test_the_end_is_said_before_the_connection_closes(secured: Service) -> None:
    """`call` raises when it is not."""
    with call(secured) as connection:
        connection.sendall(head("GET", "/v1/models"))
        assert parse(read_all(connection)).status == 200


def test_plain_http_is_told_in_plain_http(secured: Service) -> None:
    reply = get(secured, "/healthz")
    assert (reply.status, reply.error["code"]) == (400, "tls_required")
    assert "https://" in reply.error["message"]
    for other in (b"hello", b"\x16hello"):
        assert exchange(secured, other).error["code"] == "tls_required"
    none_left(secured)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
    ],
    ids=["short", "long"],
)
def test_garbage_in_the_place_of_a_handshake_gets_an_alert(secured: Service, garbage: bytes) -> None:
    with connect(secured) as connection:
        connection.sendall(garbage)
        assert read_all(connection)[0] == ALERT
    none_left(secured)


def test_garbage_after_the_handshake_ends_it(secured: Service) -> None:
    with call(secured) as connection:
        raw = socket.socket(fileno=connection.detach())
        with raw:
            raw.settimeout(PATIENCE_S)
            raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            assert read_all(raw)
    none_left(secured)


@pytest.mark.parametrize("how", ["close_notify", "FIN", "half of a handshake"])
def test_a_caller_that_leaves_ends_its_instance(secured: Service, how: str) -> None:
    body = json.dumps(ASKED | {"max_tokens": 4000, "ignore_eos": True, "stream": True}).encode()
    if how == "half of a handshake":
        with connect(secured) as raw:
            raw.sendall(client_hello()[:60])
            wait_for(secured.instances, PATIENCE_S, "an instance")
    else:
        connection = call(secured)
        length = f"content-length: {len(body)}"
        connection.sendall(head("POST", "/v1/chat/completions", "content-type: application/json", length) + body)
        assert connection.recv(1)
        assert len(secured.instances()) == 1
        if how == "close_notify":
            try:
                connection.unwrap()
            except ssl.SSLError:  # what was on its way comes first
                none_left(secured)
        connection.close()
    none_left(secured)


def test_a_large_answer_reaches_a_slow_caller_whole(secured: Service) -> None:
    """All of it is more than any buffer holds, and the service closes long before it is read."""
    with connect(secured) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        context = trusting(secured)
        with context.wrap_socket(raw, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as connection:
            connection.sendall(head("GET", "/docs"))
            reply = parse(b"".join(iter(lambda: connection.recv(1000), b"")))
    assert len(reply.body) == int(reply.headers["content-length"]) > 1_000_000


def test_a_large_request_is_taken(secured: Service) -> None:
    body = json.dumps({"prompt": "word " * 600_000}).encode()
    length = f"content-length: {len(body)}"
    with call(secured) as connection:
        connection.sendall(head("POST", "/v1/completions", "content-type: application/json", length) + body)
        reply = parse(read_all(connection))
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")


def client_hello() -> bytes:
    """The first message of a caller."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(arrived, leaving).do_handshake()
    return leaving.read()


def test_two_instances_have_random_numbers_of_their_own(secured: Service) -> None:
    """The same greeting to children of the same fork: what each says first must differ, or its keys would not."""
    hello = client_hello()
    randoms = []
    for _ in range(6):
        with connect(secured) as connection:
            connection.sendall(hello)
            record = connection.recv(4096)
            assert (record[0], record[5]) == (HANDSHAKE, 2)  # a ServerHello
            randoms.append(record[11:43])
    assert len(set(randoms)) == 6


def test_no_session_keys_are_written(secured: Service) -> None:
    get(secured, "/healthz")
    assert not (secured.home / "session-keys").exists()
