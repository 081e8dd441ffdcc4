"""Ask for a capsule and give it back, with nothing but bytes."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from typing import Any

from api.wire import ASKED, Reply, exchange, head
from running import Service

KIND = "application/vnd.noghost.capsule"
CHAT = "/v1/chat/completions"
KEY = bytes(range(32))
BOUNDARY = "in-between"


@dataclass
class Answer:
    """An answer with a capsule."""

    reply: Reply
    body: bytes = field(repr=False)
    capsule: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return str(self.json["choices"][0]["message"]["content"])

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.json["noghost"]
        return facts


def key_header(key: bytes = KEY) -> str:
    return f"noghost-capsule-key: {base64.b64encode(key).decode()}"


def fields(*messages: str, capsule: bool = True, **changes: Any) -> dict[str, Any]:
    """A right request: the messages are the user's and the assistant's in turns."""
    roles = ("user", "assistant")
    said = [{"role": roles[at % 2], "content": text} for at, text in enumerate(messages)]
    return ASKED | {"messages": said, "noghost": {"threads": 1, "capsule": capsule}, "max_tokens": 8} | changes


def two_parts(body: bytes, capsule: bytes, boundary: str = BOUNDARY, kinds: tuple[str, str] = ("", "")) -> bytes:
    first, second = kinds[0] or "application/json", kinds[1] or KIND
    mark = f"--{boundary}".encode()
    lines = [mark, b"Content-Type: " + first.encode(), b"", body, mark, b"Content-Type: " + second.encode(), b""]
    return b"\r\n".join([*lines, capsule, mark + b"--", b""])


def send(service: Service, body: bytes, *headers: str, kind: str = "application/json", path: str = CHAT) -> Reply:
    lines = [f"Content-Length: {len(body)}", f"Content-Type: {kind}", *headers]
    return exchange(service, head("POST", path, *lines), body)


def give(
    service: Service, asked: dict[str, Any], capsule: bytes | None = None, key: bytes = KEY, path: str = CHAT
) -> Reply:
    """A request with a key, and with a capsule where there is one."""
    body = json.dumps(asked).encode()
    if capsule is None:
        return send(service, body, key_header(key), path=path)
    kind = f"multipart/mixed; boundary={BOUNDARY}"
    return send(service, two_parts(body, capsule), key_header(key), kind=kind, path=path)


def parts_of(reply: Reply) -> Answer:
    """Both parts of an answer; AssertionError where it is none."""
    kind, _, boundary = reply.headers["content-type"].partition("; boundary=")
    assert (reply.status, kind) == (200, "multipart/mixed")
    mark = f"--{boundary}".encode()
    before, first, second, after = reply.body.split(mark)
    assert (before, after) == (b"", b"--\r\n")
    contents = []
    for part in (first, second):
        header, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        contents.append((header.decode(), content.removesuffix(b"\r\n")))
    assert f"Content-Type: {KIND}\r\nContent-Length: {len(contents[1][1])}" == contents[1][0]
    return Answer(reply, contents[0][1], contents[1][1])


def fresh_key() -> bytes:
    return os.urandom(32)
