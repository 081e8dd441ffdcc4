"""How an instance says that a connection ended which never became a request over TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from threading import Thread

import pytest

from api.test_api_faults import invocation
from instance.forked import in_child
from noghost.api.app import make_app
from noghost.api.certificate import secure
from noghost.api.connection import serve_connection, uvicorn_config
from noghost.api.equipment import equip
from noghost.config import Config, Limits, Tls

Caller = Callable[[socket.socket], None]


def outcome_with(caller: Caller, limits: Limits) -> str:
    """The outcome of one connection, served in a process of its own."""

    def serve() -> str:
        app = make_app()
        secured = secure(Config(tls=Tls()))
        assert secured is not None
        here, there = socket.socketpair()
        Thread(target=caller, args=(there,), daemon=True).start()
        now = replace(invocation(), limits=limits)
        return serve_connection(uvicorn_config(app, limits), app, equip(here, 30.0), now, secured.context).name

    return str(in_child(serve))


def says_nothing_more(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01")
    while connection.recv(4096):
        pass


def says_nothing_after_the_handshake(connection: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(connection) as secured:
        assert b" 408 " in secured.recv(4096)


def says(data: bytes) -> Caller:
    def caller(connection: socket.socket) -> None:
        connection.sendall(data)
        while connection.recv(4096):
            pass
        connection.close()

    return caller


def leaves(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01")
    connection.close()


@pytest.mark.parametrize(
    ("caller", "outcome"),
    [
        (says_nothing_more, "TIMEOUT"),
        (says_nothing_after_the_handshake, "TIMEOUT"),
        (says(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), "REFUSED"),
        (says(b"\x16\x03\x01\x00\x05hello"), "REFUSED"),
        (leaves, "DISCONNECTED"),
    ],
    ids=["half a handshake", "no request", "plain HTTP", "garbage", "gone"],
)
def test_what_never_became_a_request(caller: Caller, outcome: str) -> None:
    """One deadline for handshake and request together."""
    assert outcome_with(caller, Limits(request_s=0.5)) == outcome
