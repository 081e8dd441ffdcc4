"""Say something to a running service and hold the connection, with nothing but a socket."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import dataclass

from running import Service

TIMEOUT_S = 60


@dataclass
class Call:
    """One request under way."""

    connection: socket.socket
    received: bytes = b""

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`; AssertionError when the caller is cut off before it."""
        while mark not in self.received:
            data = self.connection.recv(65536)
            assert data, f"the service closed before {mark!r}"
            self.received += data
        return self.received

    def read_all(self) -> bytes:
        """Until the service closes, or resets."""
        try:
            while data := self.connection.recv(65536):
                self.received += data
        except ConnectionResetError:
            pass
        return self.received

    @property
    def invocation(self) -> str:
        """The id in the answer's header."""
        header = self.read_until(b"\r\n\r\n")
        return header.partition(b"noghost-instance: ")[2][:32].decode()

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def connect(service: Service) -> Call:
    """A connection that has said nothing yet, its handshake done where the service speaks TLS."""
    call = connect_plainly(service)
    if service.url.startswith("https:"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # tests of TLS itself check it
        call.connection = context.wrap_socket(call.connection)
    return call


def connect_plainly(service: Service) -> Call:
    """A TCP connection, whatever the service speaks."""
    return Call(socket.create_connection(("127.0.0.1", service.port), TIMEOUT_S))


def say(service: Service, text: str, **fields: object) -> Call:
    """POST a chat completion; the answer is not read yet."""
    body = json.dumps({"messages": [{"role": "user", "content": text}], **fields}).encode()
    call = connect(service)
    call.connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        + f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return call


def say_long(service: Service, text: str) -> Call:
    """A streamed answer that goes on until it is ended; its first text has arrived."""
    call = say(service, text, stream=True, ignore_eos=True, max_tokens=2000)
    call.read_until(b'"content":"')
    call.read_until(b'"delta":{"content":')
    return call
