"""HTTP itself, byte by byte: what is refused before there is a request, deadlines, and callers who leave."""

from __future__ import annotations

import itertools
import json
import socket

import pytest

from api.wire import ASKED, PATIENCE_S, connect, exchange, get, head, healthy, parse, receive
from running import Service, wait_for

LONG = ASKED | {"max_tokens": 4000, "ignore_eos": True, "stream": True}


def request_of(body: bytes, *headers: str, version: str = "1.1") -> bytes:
    """A chat request."""
    length = f"Content-Length: {len(body)}"
    json_type = "Content-Type: application/json"
    return head("POST", "/v1/chat/completions", json_type, length, *headers, version=version) + body


RIGHT = json.dumps(ASKED).encode()


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/one\r\nHost: localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
    ids=["words", "TLS", "no host", "version", "target", "length", "coding", "chunk", "two lengths"],
)
def test_what_is_not_http(service: Service, garbage: bytes) -> None:
    reply = exchange(service, garbage)
    assert reply.status in (400, 501)
    assert (reply.error["code"], reply.headers["connection"]) == ("invalid_http", "close")
    assert healthy(service)


def test_a_header_over_the_limit(service: Service) -> None:
    reply = exchange(service, head("GET", "/healthz", "X: " + "a" * 17 * 1024))
    assert (reply.status, reply.error["code"]) == (431, "header_too_large")
    assert exchange(service, head("GET", "/healthz" + "a" * 17 * 1024)).status == 431
    assert exchange(service, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 300 * 1024).status == 431
    assert exchange(service, head("GET", "/healthz", "X: " + "a" * 15 * 1024)).status == 200


def test_a_header_that_never_ends(strict: Service) -> None:
    """A byte now and then does not move the deadline."""
    with connect(strict) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
        connection.settimeout(0.05)
        data = b""
        for _ in itertools.count():
            try:
                if not (piece := connection.recv(65536)):
                    break
                data += piece
            except TimeoutError:
                connection.sendall(b"a")
    reply = parse(data)
    assert (reply.status, reply.error["code"]) == (408, "request_timeout")


@pytest.mark.parametrize("start", [b"G", request_of(RIGHT)[:-1], request_of(RIGHT)[:20]], ids=["byte", "body", "line"])
def test_a_request_that_never_ends(strict: Service, start: bytes) -> None:
    reply = exchange(strict, start)
    assert (reply.status, reply.error["code"]) == (408, "request_timeout")
    assert healthy(strict)


def test_a_caller_that_says_nothing_is_told_nothing(strict: Service) -> None:
    """It has no process that could; its connection is closed when its time is over."""
    with connect(strict) as connection:
        assert connection.recv(1) == b""
    assert healthy(strict)


def test_a_body_over_the_limit_is_refused_before_it_is_sent(service: Service) -> None:
    waiting = head("POST", "/v1/completions", "Content-Length: 4194305", "Expect: 100-continue")
    reply = exchange(service, waiting)
    assert (reply.status, reply.error["code"]) == (413, "body_too_large")


def test_a_body_over_the_limit_and_sent_all_the_same(service: Service) -> None:
    """The answer arrives although the caller first sends everything."""
    size = 16 * 1024 * 1024
    reply = exchange(service, head("POST", "/v1/completions", f"Content-Length: {size}"), bytes(size))
    assert (reply.status, reply.error["code"]) == (413, "body_too_large")


def test_a_chunked_body_over_the_limit(service: Service) -> None:
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    pieces = itertools.repeat(chunk, 100)
    reply = exchange(service, head("POST", "/v1/completions", "Transfer-Encoding: chunked"), *pieces, b"0\r\n\r\n")
    assert (reply.status, reply.error["code"]) == (413, "body_too_large")
    assert healthy(service)


def test_a_chunked_body(service: Service) -> None:
    pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in (RIGHT[:7], RIGHT[7:])]
    json_type = "Content-Type: application/json"
    start = head("POST", "/v1/chat/completions", json_type, "Transfer-Encoding: chunked")
    assert exchange(service, start, *pieces, b"0\r\n\r\n").status == 200


def test_100_continue(service: Service) -> None:
    with connect(service) as connection:
        connection.sendall(request_of(RIGHT, "Expect: 100-continue").removesuffix(RIGHT))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(RIGHT)
        assert receive(connection).status == 200


def test_http_1_0(service: Service) -> None:
    reply = exchange(service, request_of(json.dumps(ASKED | {"stream": True}).encode(), version="1.0"))
    assert (reply.status, "transfer-encoding" in reply.headers) == (200, False)
    assert reply.body.endswith(b"data: [DONE]\n\n")


def test_a_second_request_on_the_connection_is_ignored(service: Service) -> None:
    reply = exchange(service, request_of(RIGHT) + request_of(RIGHT))
    assert reply.status == 200
    assert len(reply.body) == int(reply.headers["content-length"])


def test_an_upgrade_is_not_made(service: Service) -> None:
    assert exchange(service, head("GET", "/healthz", "Connection: upgrade", "Upgrade: websocket")).status == 200


def started(service: Service) -> socket.socket:
    """A connection on which a long answer has begun."""
    connection = connect(service)
    connection.sendall(request_of(json.dumps(LONG).encode()))
    assert connection.recv(1)
    return connection


def none_left(service: Service) -> None:
    wait_for(lambda: not service.instances(), PATIENCE_S, "the instance to end")


def test_a_caller_that_leaves_ends_its_instance(service: Service) -> None:
    none_left(service)
    with started(service):
        assert len(service.instances()) == 1
    none_left(service)


def test_a_caller_that_leaves_before_the_answer_begins(service: Service) -> None:
    with connect(service) as connection:
        connection.sendall(request_of(json.dumps(LONG | {"stream": False}).encode()))
        wait_for(service.instances, PATIENCE_S, "an instance")
    none_left(service)


def test_a_caller_that_closes_its_sending_side_has_left(service: Service) -> None:
    with started(service) as connection:
        connection.shutdown(socket.SHUT_WR)
        none_left(service)


def test_a_caller_that_leaves_within_its_body(service: Service) -> None:
    """What did come is a request by itself, and must not be answered: no invocation is recorded."""
    before = len(service.noghost("receipts", "list").stdout)
    with connect(service) as connection:
        connection.sendall(request_of(RIGHT + b" ")[:-1])
        wait_for(service.instances, PATIENCE_S, "an instance")
    none_left(service)
    assert len(service.noghost("receipts", "list").stdout) == before


def test_every_request_is_another_instance(service: Service) -> None:
    names = {get(service, "/healthz").headers["noghost-instance"] for _ in range(5)}
    assert len(names) == 5
