"""One streamed chat completion over a socket, timed: the same small client for every server.

A new connection for each request, as noghost needs it and as any server allows. Times start before the connection is
made, so that the birth of a process and the accept queue are both inside.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from noghost.client.conversation import CHAT, error_of
from noghost.client.reach import Place, pinned, place_of, url_of
from noghost.errors import HuntError

# A server under a foreign load can be slow; a hung one ends the run.
TIMEOUT_S = 600.0
# A delta that is not empty; in the first chunk servers send "" or null beside the role. A thought is a token too.
_CONTENT = re.compile(rb'"(?:content|reasoning_content|reasoning)":\s*"(?:[^"\\]|\\.)')
_FACTS = re.compile(rb'"(?:usage|path_ms|error)":\s*[{"]')
_COUNTS = {"prompt_tokens", "completion_tokens"}
_HINTS = {
    400: "if a prompt is too long for it, lower --prompt-tokens",
    401: "it wants an API key: see --key-env; a service of ours takes NOGHOST_API_KEY",
    403: "it wants another API key: see --key-env; a service of ours takes NOGHOST_API_KEY",
    404: "is it an OpenAI-compatible server, and has it that model?",
    429: "its rate limit is lower than this needs: fewer --callers and --rounds",
}


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and with what key."""

    place: Place
    api_key: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """As a person gave it."""
        return url_of(self.place)

    def connect(self) -> socket.socket:
        """A new connection, its handshake done where there is one; raises OSError."""
        connection = self.place.connect()
        connection.settimeout(TIMEOUT_S)
        if self.tls is None:
            return connection
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(connection, server_hostname=urlsplit(self.place.url).hostname)


def server_at(url: str, api_key: str | None = None, fingerprint: str | None = None) -> Server:
    """Of a URL with or without /v1, or of unix:PATH. Raises ConfigError and HuntError as `reach.open_client`."""
    place = place_of(url, fingerprint)
    if not place.url.startswith("https://"):
        return Server(place, api_key)
    return Server(
        place, api_key, pinned(place, fingerprint) if fingerprint else httpx.create_ssl_context(trust_env=False)
    )


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds on one clock, and the server's own token counts."""

    begun_s: float
    first_s: float
    last_s: float
    prompt_tokens: int
    tokens: int
    wire_bytes: int  # that TCP brought, a handshake included; 0 over a Unix socket
    path_ms: dict[str, float]  # how long each step took, where the server tells

    @property
    def ttft_s(self) -> float:
        """From before the connection to the arrival of the first content."""
        return self.first_s - self.begun_s

    @property
    def decode_tok_s(self) -> float:
        """Tokens a second between the first and the last content; HuntError where there is nothing between."""
        if self.tokens < 2 or self.last_s <= self.first_s:
            raise HuntError("an answer came in one piece: no decode speed", "the server must stream token by token")
        return (self.tokens - 1) / (self.last_s - self.first_s)


def stream(
    server: Server, model: str, prompt: str, max_tokens: int, system: str = "", *, exact: bool = True, **more: Any
) -> Timing:
    """Send one prompt, and `more` fields, and read the stream to its end; HuntError if it is not a full answer.

    `exact` asks for `max_tokens` tokens, the end of text ignored; without it an answer may end sooner.
    """
    first = [{"role": "system", "content": system}] if system else []
    body = {
        "model": model,
        "messages": [*first, {"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        **({"ignore_eos": True} if exact else {}),
        **more,
    }
    timing = _timed(server, _request(server, json.dumps(body).encode()))
    if exact and timing.tokens != max_tokens:
        raise HuntError(
            f"{server.url} was asked for {max_tokens} tokens with the end of text ignored, and sent {timing.tokens}",
            "does its context hold that many?",
        )
    return timing


def stream_together(ask: Callable[[str], Timing], prompts: Sequence[str]) -> list[Timing]:
    """All prompts at the same time, one caller each; the first caller's error if any has one."""
    gate = threading.Barrier(len(prompts))

    def call(prompt: str) -> Timing:
        gate.wait()
        return ask(prompt)

    with ThreadPoolExecutor(len(prompts)) as callers:
        return list(callers.map(call, prompts))


def total_tok_s(timings: Sequence[Timing]) -> float:
    """Tokens of all callers over the time from the first start to the last content, prefill included."""
    took_s = max(timing.last_s for timing in timings) - min(timing.begun_s for timing in timings)
    return sum(timing.tokens for timing in timings) / took_s


def _request(server: Server, body: bytes) -> bytes:
    parts = urlsplit(server.place.url)
    key = f"Authorization: Bearer {server.api_key}\r\n" if server.api_key else ""
    head = (
        f"POST {parts.path}{CHAT} HTTP/1.1\r\nHost: {parts.netloc}\r\n{key}Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _timed(server: Server, request: bytes) -> Timing:
    begun_s = time.perf_counter()
    try:
        with server.connect() as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection, method="POST")
            response.begin()
            if response.status >= 400:
                raise _refusal(server, response)
            first_s, last_s, facts = _receive(response)
            wire_bytes = _wire_bytes(connection)
    except (OSError, http.client.HTTPException, ValueError) as error:
        hint = "see that the server runs and that the address is right"
        raise HuntError(f"no answer from {server.url} ({type(error).__name__})", hint) from None
    return _timing(server, begun_s, first_s, last_s, wire_bytes, facts)


def _receive(response: http.client.HTTPResponse) -> tuple[float, float, list[dict[str, Any]]]:
    """Read to the end; when the first and the last event with content came, and the events that tell facts."""
    first_s = last_s = 0.0
    facts: list[dict[str, Any]] = []
    for line in response:
        if _CONTENT.search(line):
            last_s = time.perf_counter()
            first_s = first_s or last_s
        if _FACTS.search(line) and line.startswith(b"data:"):
            facts.append(json.loads(line.removeprefix(b"data:")))
    return first_s, last_s, facts


def _timing(
    server: Server, begun_s: float, first_s: float, last_s: float, wire_bytes: int, facts: list[dict[str, Any]]
) -> Timing:
    if any("error" in fact for fact in facts):
        raise HuntError(f"{server.url} broke off an answer with an error", "see its log")
    usage = next((told for fact in reversed(facts) if (told := fact.get("usage") or {}).keys() >= _COUNTS), None)
    if not first_s:
        raise HuntError(f"{server.url} streamed no answer", "is it an OpenAI-compatible server that can stream?")
    if usage is None:
        raise HuntError(f"{server.url} tells no usage: its tokens cannot be counted", "it must know stream_options")
    path_ms: dict[str, float] = next((told["path_ms"] for told in map(_own, facts) if "path_ms" in told), {})
    return Timing(begun_s, first_s, last_s, usage["prompt_tokens"], usage["completion_tokens"], wire_bytes, path_ms)


def _own(fact: dict[str, Any]) -> dict[str, Any]:
    """What a service of ours tells besides; empty from any other."""
    told = fact.get("noghost")
    return told if isinstance(told, dict) else {}


def _refusal(server: Server, response: http.client.HTTPResponse) -> HuntError:
    """With what the server itself says; what it was asked is random words."""
    says = error_of(response.read(1 << 16)).get("message") or "nothing else"
    return HuntError(f"{server.url} answered {response.status}: {says}", _HINTS.get(response.status, ""))


def _wire_bytes(connection: socket.socket) -> int:
    """tcpi_bytes_received of struct tcp_info in linux/tcp.h: 8 bytes, 24 words of 32 bits, then words of 64 bits."""
    if connection.family == socket.AF_UNIX:
        return 0
    at = 8 + 24 * 4 + 3 * 8
    return int.from_bytes(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, at + 8)[at:], sys.byteorder)
