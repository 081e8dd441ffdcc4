"""Bytes to a service and back, with nothing between that could mend them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from running import Service

ASKED = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "temperature": 0}
PATIENCE_S = 30.0


@dataclass
class Reply:
    """An answer off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, after its shape was checked."""
        assert set(self.json) == {"error"}
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["type"] == ("invalid_request_error" if self.status < 500 else "server_error")
        assert isinstance(error["message"], str)
        assert "Traceback" not in error["message"]
        assert self.headers["content-type"] == "application/json"
        assert len(self.headers["noghost-instance"]) == 32
        return error


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S)


def exchange(service: Service, *pieces: bytes) -> Reply:
    """Send the pieces one after the other, whatever comes back meanwhile; the answer."""
    with connect(service) as connection:
        send(connection, pieces)
        return receive(connection)


def send(connection: socket.socket, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        connection.sendall(piece)


def receive(connection: socket.socket) -> Reply:
    """Everything until the service closes: an end that is not clean raises ConnectionResetError."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return parse(data)


def parse(data: bytes) -> Reply:
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = unchunk(body)
    return Reply(int(status.split()[1]), headers, body)


def unchunk(data: bytes) -> bytes:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if not int(size, 16):
            return body
        body, data = body + data[: int(size, 16)], data[int(size, 16) + 2 :]


def head(method: str, path: str, *headers: str, version: str = "1.1") -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: localhost", *headers, "", ""]).encode()


def post(service: Service, body: bytes, path: str = "/v1/chat/completions", kind: str = "application/json") -> Reply:
    """One whole POST."""
    headers = [f"Content-Length: {len(body)}"] + ([f"Content-Type: {kind}"] if kind else [])
    return exchange(service, head("POST", path, *headers), body)


def ask(service: Service, **changes: Any) -> Reply:
    """A chat request that is right but for `changes`."""
    return post(service, json.dumps(ASKED | changes).encode())


def get(service: Service, path: str, method: str = "GET") -> Reply:
    return exchange(service, head(method, path))


def healthy(service: Service) -> bool:
    """The service goes on answering."""
    return get(service, "/healthz").json == {"status": "ok"}
