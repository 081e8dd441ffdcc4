"""A provider of models for the tests: a program of its own that speaks OpenAI's API over real TLS, and its faults.

    python provider.py FOLDER     with authority.pem, chain.pem and key.pem in it; prints its port

The model that a request names says what happens to it: MODELS. GET /seen gives all that it was sent.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

QUOTED = "this is what the provider says, and it quotes: "


DELTAS: list[dict[str, Any]] = [
    {"role": "assistant", "content": ""},
    {"reasoning_content": "Let me "},
    {"reasoning_content": "see."},
    {"content": "I look"},
    {"content": " twice."},
    {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"at"'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": ': "sea"}'}}]},
    {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
]
COUNTS = {
    "prompt_tokens": 40,
    "completion_tokens": 12,
    "total_tokens": 52,
    "prompt_tokens_details": {"cached_tokens": 32},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


@dataclass(frozen=True)
class Provider:
    """A running one."""

    pid: int
    port: int
    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def seen(self) -> list[dict[str, Any]]:
        """Every request: path, headers, body."""
        import httpx

        trusted = ssl.create_default_context(cafile=self.authority)
        found: list[dict[str, Any]] = httpx.get(f"https://127.0.0.1:{self.port}/seen", verify=trusted).json()
        return found


@contextmanager
def providing(folder: Path) -> Iterator[Provider]:
    """One on a free port, ended by its process id."""
    command = [sys.executable, __file__, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Provider(process.pid, int(process.stdout.readline()), folder)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        self.whole(200, json.dumps(self.seen))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append({"path": self.path, "headers": dict(self.headers), "body": body})
        self.close_connection = True
        name, _, status = body["model"].partition("-")
        text = QUOTED + json.dumps(body)
        if name == "status":
            self.whole(int(status), json.dumps({"error": {"message": text}}), {"Retry-After": "7"})
        else:
            MODELS[name](self, body, text)

    def whole(self, status: int, text: str, headers: dict[str, str] | None = None, missing: int = 0) -> None:
        data = text.encode()
        self.send_response(status)
        for header, value in {"Content-Length": str(len(data) + missing), **(headers or {})}.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: str) -> None:
        self.wfile.write(f"{len(data.encode()):x}\r\n{data}\r\n".encode())

    def event(self, data: Any) -> None:
        self.chunk(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n")

    def log_message(self, *_: Any) -> None:
        pass


def piece(body: dict[str, Any], text: str | None, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": reason}
    if "prompt" in body:
        choice = {"index": 0, "text": text or "", "finish_reason": reason}
    return {"id": "theirs", "model": "theirs", "created": 1, "provider": "somebody", "choices": [choice]}


def answer(handler: Handler, body: dict[str, Any], _text: str) -> None:
    """Repeat what was said last, and the tools that were offered."""
    said = body.get("prompt") or body.get("input") or body["messages"][-1]["content"]
    usage = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109}
    calls = [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    if "input" in body:
        vectors = [{"object": "embedding", "index": at, "embedding": [0.5, -0.5]} for at in range(len(body["input"]))]
        told = {"object": "list", "data": vectors, "model": "theirs", "usage": {"prompt_tokens": 4, "total_tokens": 4}}
        handler.whole(200, json.dumps(told))
        return
    if body.get("stream"):
        handler.begin()
        handler.chunk(": a comment\n\n")
        for word in said.split(" "):
            handler.event(piece(body, word + " "))
        handler.event(piece(body, None, "stop"))
        if body.get("stream_options", {}).get("include_usage"):
            handler.event({"id": "theirs", "choices": [], "usage": usage})
        handler.event("[DONE]")
        handler.chunk("")
        return
    message = {"role": "assistant", "content": said, **({"tool_calls": calls} if "tools" in body else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "tools" in body else "stop"}
    if "prompt" in body:
        choice = {"index": 0, "text": said, "finish_reason": "stop"}
    handler.whole(200, json.dumps({"id": "theirs", "model": "theirs", "choices": [choice], "usage": usage}))


def thinks(handler: Handler, _body: dict[str, Any], _text: str) -> None:
    """Think, speak, call a tool twice, in small pieces."""
    handler.begin()
    for delta in DELTAS:
        handler.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    handler.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    handler.event({"choices": [], "usage": COUNTS})
    handler.event("[DONE]")
    handler.chunk("")


def withholds(handler: Handler, body: dict[str, Any], _text: str) -> None:
    """Begin, and then let nothing through."""
    handler.begin()
    handler.event(piece(body, "half "))
    handler.event(piece(body, None, "content_filter"))
    handler.event("[DONE]")
    handler.chunk("")


def cut(handler: Handler, body: dict[str, Any], _text: str) -> None:
    """End the connection in the middle: of a stream, or of a whole answer."""
    if body.get("stream"):
        handler.begin()
        handler.event(piece(body, "half "))
    else:
        handler.whole(200, '{"choices": [', missing=100)


def unsaid(handler: Handler, body: dict[str, Any], _text: str) -> None:
    """End the stream in order, and never say that it is whole."""
    handler.begin()
    handler.event(piece(body, "half "))
    handler.event(piece(body, None, "stop"))
    handler.chunk("")


def fails(handler: Handler, body: dict[str, Any], text: str) -> None:
    """State an error in the middle, as OpenRouter does."""
    handler.begin()
    handler.event(piece(body, "half "))
    handler.event(piece(body, None, "error") | {"error": {"code": 502, "message": text}})
    handler.event("[DONE]")
    handler.chunk("")


def silent(handler: Handler, _body: dict[str, Any], _text: str) -> None:
    """Say nothing until the other side goes."""
    handler.rfile.read(1)


def page(handler: Handler, _body: dict[str, Any], text: str) -> None:
    """Answer with something else."""
    handler.whole(200, f"<html>{text}</html>")


def denies(handler: Handler, _body: dict[str, Any], text: str) -> None:
    """State an error with the status of an answer."""
    handler.whole(200, json.dumps({"error": {"code": 429, "message": text}}))


MODELS: dict[str, Callable[[Handler, dict[str, Any], str], None]] = {
    one.__name__: one for one in (answer, thinks, withholds, cut, unsaid, fails, silent, page, denies)
}


def main() -> None:
    folder = Path(sys.argv[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  a caller that leaves, or does not trust it
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
