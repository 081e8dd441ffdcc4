"""One streamed chat completion over a raw socket, timed: the same small client for every server.

A new connection for each request, as noghost needs it and as a stock server allows. Times start before the
connection is made, so that the birth of a process and the accept queue are both inside.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass

RECEIVE_BYTES = 1 << 16
_UNCHECKED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_UNCHECKED.check_hostname, _UNCHECKED.verify_mode = False, ssl.CERT_NONE
# A server under a foreign load can be slow; a hung one ends the run.
TIMEOUT_S = 600.0
# A delta that is not empty; in the first chunk servers send "" or null beside the role.
_CONTENT = re.compile(rb'"content":\s*"(?:[^"\\]|\\.)')
_PATH = re.compile(rb'"path_ms":\s*(\{[^}]*\})')
_USAGE = {name: re.compile(rb'"%s_tokens":\s*(\d+)' % name.encode()) for name in ("prompt", "completion")}


@dataclass(frozen=True)
class Timing:
    """Seconds on one clock, and the server's own token counts."""

    begun_s: float
    first_s: float
    last_s: float
    prompt_tokens: int
    tokens: int
    wire_bytes: int  # that TCP brought, a handshake included
    path_ms: dict[str, float]  # how long each step took, where the server tells

    @property
    def ttft_s(self) -> float:
        """From before the connection to the arrival of the first content."""
        return self.first_s - self.begun_s

    @property
    def decode_tok_s(self) -> float:
        """Tokens a second between the first and the last content."""
        return (self.tokens - 1) / (self.last_s - self.first_s)


def stream(url: str, model: str, prompt: str, max_tokens: int, system: str = "", **more: object) -> Timing:
    """Send one prompt, and `more` fields, and read the stream to its end; RuntimeError if it is not a full answer."""
    first = [{"role": "system", "content": system}] if system else []
    body = {
        "model": model,
        "messages": [*first, {"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        **more,
    }
    host = urllib.parse.urlsplit(url)
    request = _request(host.netloc, json.dumps(body).encode())
    begun_s = time.perf_counter()
    with connect(url) as connection:
        connection.sendall(request)
        first_s, last_s, received = _receive(connection)
        wire_bytes = _wire_bytes(connection)
    return _timing(begun_s, first_s, last_s, received, max_tokens, wire_bytes)


def connect(url: str) -> socket.socket:
    """A new connection; over https its handshake is done, and the certificate not checked: it is our own server's."""
    host = urllib.parse.urlsplit(url)
    connection = socket.create_connection((host.hostname, host.port), timeout=TIMEOUT_S)
    if host.scheme == "https":
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _UNCHECKED.wrap_socket(connection)
    return connection


def stream_together(url: str, model: str, prompts: list[str], max_tokens: int) -> list[Timing]:
    """All prompts at the same time, one caller each; RuntimeError if any fails."""
    timings: list[Timing] = []
    gate = threading.Barrier(len(prompts))

    def call(prompt: str) -> None:
        gate.wait()
        timings.append(stream(url, model, prompt, max_tokens))

    callers = [threading.Thread(target=call, args=(prompt,)) for prompt in prompts]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    if len(timings) != len(prompts):
        raise RuntimeError("a caller got no answer")
    return timings


def total_tok_s(timings: list[Timing]) -> float:
    """Tokens of all callers over the time from the first start to the last content, prefill included."""
    took_s = max(timing.last_s for timing in timings) - min(timing.begun_s for timing in timings)
    return sum(timing.tokens for timing in timings) / took_s


def _wire_bytes(connection: socket.socket) -> int:
    """tcpi_bytes_received of struct tcp_info in linux/tcp.h: 8 bytes, 24 words of 32 bits, then words of 64 bits."""
    at = 8 + 24 * 4 + 3 * 8
    return int.from_bytes(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, at + 8)[at:], sys.byteorder)


def _request(netloc: str, body: bytes) -> bytes:
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _receive(connection: socket.socket) -> tuple[float, float, bytes]:
    """Read to the end; the times of the first and the last piece with content in it."""
    first_s = last_s = 0.0
    received = bytearray()
    searched = 0
    while piece := connection.recv(RECEIVE_BYTES):
        now_s = time.perf_counter()
        received += piece
        while found := _CONTENT.search(received, searched):
            first_s, last_s, searched = first_s or now_s, now_s, found.end()
    return first_s, last_s, bytes(received)


def _path_ms(received: bytes) -> dict[str, float]:
    """`noghost.path_ms` of the last event; empty from a server that has none."""
    found = _PATH.findall(received)
    return dict(json.loads(found[-1])) if found else {}


def _timing(begun_s: float, first_s: float, last_s: float, received: bytes, max_tokens: int, wire_bytes: int) -> Timing:
    status = received.split(b"\r\n", 1)[0].decode(errors="replace")
    counts = {name: pattern.findall(received) for name, pattern in _USAGE.items()}
    if " 200 " not in f"{status} " or not first_s or not all(counts.values()):
        raise RuntimeError(f"no streamed answer with usage: {status}")
    prompt_tokens, tokens = (int(counts[name][-1]) for name in ("prompt", "completion"))
    if tokens != max_tokens:
        raise RuntimeError(f"asked for {max_tokens} tokens with end of text ignored, got {tokens}")
    return Timing(begun_s, first_s, last_s, prompt_tokens, tokens, wire_bytes, _path_ms(received))
