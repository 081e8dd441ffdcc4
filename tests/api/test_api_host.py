"""Whom a request is for: DNS rebinding is refused, and no page of another origin may read an answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.wire import Reply, exchange
from noghost.api.host import hosts_of, is_for_us
from noghost.config import Config
from running import Service, running

LOOPBACK = frozenset({"127.0.0.1"})


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8462", "LOCALHOST", "localhost.", "127.0.0.1:1", "127.9.9.9", "[::1]:8462", "::1", "box"],
)
def test_hosts_that_are_this_service(host: str) -> None:
    assert is_for_us([host.encode()], LOOPBACK | {"box"})


@pytest.mark.parametrize(
    "host",
    [
        *("rebound.example", "rebound.example:8462", "localhost.rebound.example", "127.0.0.1.rebound.example"),
        *("127.0.0.1@rebound.example", "192.0.2.7", "[::2]:8462", "0.0.0.0", "2130706433", "", ":8462", "[]", "\xff"),
        *("localhost, rebound.example", "localhost rebound.example"),
    ],
)
def test_hosts_that_are_not(host: str) -> None:
    assert not is_for_us([host.encode("latin-1")], LOOPBACK)


def test_two_hosts_are_not_one() -> None:
    assert not is_for_us([b"localhost", b"localhost"], LOOPBACK)


def test_who_is_asked() -> None:
    assert hosts_of(Config()) == {"127.0.0.1"}
    assert hosts_of(Config(hosts=("Box.Example",))) == {"127.0.0.1", "box.example"}
    assert hosts_of(Config(unix=Path("socket"))) is None
    assert hosts_of(Config(host="192.0.2.7", insecure=True)) is None
    assert hosts_of(Config(host="192.0.2.7", insecure=True, hosts=("box",))) == {"192.0.2.7", "box"}


def say(service: Service, host: str, *more: str, method: str = "GET", path: str = "/healthz") -> Reply:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *more, "", ""]
    return exchange(service, "\r\n".join(lines).encode())


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/models", "/v1/chat/completions", "/docs", "/nothing"])
def test_a_rebound_name_gets_nothing_anywhere(service: Service, path: str) -> None:
    reply = say(service, "rebound.example", path=path, method="POST" if "chat" in path else "GET")
    assert (reply.status, reply.error["code"]) == (421, "unknown_host")
    assert "--allow-host" in reply.error["message"]
    assert "rebound" not in reply.error["message"]


def test_the_same_for_localhost_is_answered(service: Service) -> None:
    for host in ("localhost", f"127.0.0.1:{service.port}", f"[::1]:{service.port}"):
        assert say(service, host).status == 200


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("named"), "--allow-host", "box.example", "--allow-host", "box") as found:
        yield found


def test_a_name_that_is_allowed(named: Service) -> None:
    assert [say(named, host).status for host in ("box.example", "BOX:80", "localhost", "other.example")] == [
        *(200, 200, 200, 421)
    ]


def test_no_page_of_another_origin_may_read_an_answer(service: Service) -> None:
    origin = "Origin: https://other.example"
    asked = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
    for reply in (
        say(service, "localhost", origin),
        say(service, "localhost", origin, *asked, method="OPTIONS", path="/v1/chat/completions"),
        say(service, "rebound.example", origin),
    ):
        assert [name for name in reply.headers if name.startswith("access-control")] == []


def test_a_form_of_another_origin_is_no_request(service: Service) -> None:
    """A page may send this without asking first: it is text, so it is not read as JSON."""
    body = b'{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}'
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: text/plain"]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
    assert exchange(service, head, body).status == 400
