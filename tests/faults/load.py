"""The load: callers that say one thing after another, and write down what became of it.

What a caller says is a function of the seed, its number and the number of the request; only the moments differ.
Every prompt carries the canary, which is made at run time and known to this process alone.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

PATIENCE_S = 60.0
HOLD_S = 0.4  # at most, by callers that say nothing or half
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


@dataclass(slots=True)
class Said:
    """One request and what became of it; no content. Times are of time.monotonic."""

    kind: str
    began_s: float
    ended_s: float = 0.0
    connected: bool = False
    status: int = 0  # 0: no answer
    invocation: str = ""
    acknowledged: bool = False  # the whole answer of a computation came
    retry_after: bool = False
    looked_up: str = ""  # the invocation that a receipt was asked for


class Caller:
    """One connection for one request."""

    def __init__(self, load: Load, said: Said, chance: random.Random) -> None:
        self._load, self.said, self.chance = load, said, chance
        self._connection: socket.socket | None = None
        self.received = b""

    def __enter__(self) -> Caller:
        self._connection = socket.create_connection(("127.0.0.1", self._load.port), PATIENCE_S)
        self._load.connections.add(self._connection)
        self.said.connected = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection:
            self._load.connections.discard(self._connection)
            self._connection.close()

    def send(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(data)

    def read(self, mark: bytes = b"") -> None:
        """Until `mark`, or until the service closes."""
        assert self._connection is not None
        while not mark or mark not in self.received:
            data = self._connection.recv(65536)
            if not data:
                return
            self.received += data

    def prompt(self) -> str:
        """Some words around the canary."""
        words = " ".join(self.chance.choice(WORDS) for _ in range(self.chance.randrange(3, 9)))
        return f"{self._load.canary} {words}."

    def known(self) -> str:
        """An invocation that was acknowledged before, or one that never was."""
        acknowledged = self._load.acknowledged
        return self.chance.choice(acknowledged) if acknowledged else "0" * 32


def post(path: str, fields: dict[str, object] | bytes, *, ascii_only: bool = True) -> bytes:
    """The bytes of one POST."""
    body = fields if isinstance(fields, bytes) else json.dumps(fields, ensure_ascii=ascii_only).encode()
    lines = (f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json")
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def get(path: str) -> bytes:
    """The bytes of one GET."""
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


def asked(caller: Caller, path: str, **fields: object) -> bytes:
    """A request that computes."""
    text = caller.prompt()
    said = {"messages": [{"role": "user", "content": text}]} if path == CHAT else {"prompt": text}
    return post(path, {"ignore_eos": True, **said, **fields}, ascii_only=caller.chance.random() < 0.5)


def whole(path: str) -> Callable[[Caller], None]:
    def say(caller: Caller) -> None:
        caller.send(asked(caller, path, max_tokens=caller.chance.randrange(1, 6)))
        caller.read()

    return say


def streamed(path: str) -> Callable[[Caller], None]:
    def say(caller: Caller) -> None:
        caller.send(asked(caller, path, max_tokens=caller.chance.randrange(1, 12), stream=True))
        caller.read()

    return say


def leave_early(caller: Caller) -> None:
    caller.send(asked(caller, CHAT, max_tokens=400, stream=True))
    if caller.chance.random() < 0.7:
        caller.read(b'"content":"')
    else:
        time.sleep(caller.chance.random() * HOLD_S)


def ask_health(caller: Caller) -> None:
    caller.send(get(caller.chance.choice(("/healthz", "/v1/models", "/openapi.json"))))
    caller.read()


def ask_receipt(caller: Caller) -> None:
    caller.said.looked_up = caller.known()
    caller.send(get(f"/v1/receipts/{caller.said.looked_up}"))
    caller.read()


def ask_badly(caller: Caller) -> None:
    bad = (
        post(CHAT, b'{"messages": '),
        post(CHAT, {"messages": [{"role": "user", "content": caller.prompt()}], "store": True}),
        post(TEXT, {"prompt": caller.prompt(), "max_tokens": -1}),
        get("/nothing/here"),
        b"\x16\x03\x01\x00\xa5 no HTTP at all\r\n\r\n",
    )
    caller.send(caller.chance.choice(bad))
    caller.read()


def ask_half(caller: Caller) -> None:
    request = asked(caller, CHAT, max_tokens=2)
    caller.send(request[: caller.chance.randrange(1, len(request))])
    time.sleep(caller.chance.random() * HOLD_S)


def say_nothing(caller: Caller) -> None:
    time.sleep(caller.chance.random() * HOLD_S)


# kind: (weight, what the caller does)
KINDS: dict[str, tuple[int, Callable[[Caller], None]]] = {
    "chat": (4, whole(CHAT)),
    "chat, streamed": (4, streamed(CHAT)),
    "completion": (3, whole(TEXT)),
    "completion, streamed": (3, streamed(TEXT)),
    "leaves early": (2, leave_early),
    "health, models, OpenAPI": (2, ask_health),
    "receipt": (2, ask_receipt),
    "bad request": (2, ask_badly),
    "half a request": (1, ask_half),
    "says nothing": (1, say_nothing),
}
WORDS = ("tell", "me", "a", "story", "about", "rain", "and", "the", "old", "bridge", "where", "nobody", "waits")


@dataclass
class Load:
    """Callers in threads. They wait while nobody serves, and while the load is paused."""

    seed: int
    canary: str = field(repr=False)
    callers: int = 5
    port: int = 0
    said: list[Said] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    connections: set[socket.socket] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._going, self._ended = threading.Event(), threading.Event()
        self._idle = [threading.Event() for _ in range(self.callers)]
        self._threads = [threading.Thread(target=self._call, args=(n,), daemon=True) for n in range(self.callers)]
        for thread in self._threads:
            thread.start()

    def resume(self, port: int) -> None:
        """Go on, at this port."""
        self.port = port
        self._going.set()

    def pause(self) -> None:
        """Return when every caller has ended its request."""
        self._going.clear()
        for idle in self._idle:
            if not idle.wait(2 * PATIENCE_S):
                raise AssertionError("a caller is still waiting for its answer")

    def stop(self) -> None:
        """For good."""
        self._ended.set()
        self._going.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_S)

    def drop(self, chance: random.Random) -> int:
        """Reset some of the connections that are open, in the middle of whatever they do; how many."""
        some = [one for one in list(self.connections) if chance.random() < 0.6]
        for connection in some:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.shutdown(socket.SHUT_RD)  # its caller hears of it, and closes: its descriptor is its own
        return len(some)

    def once(self, kind: str, chance: random.Random) -> Said:
        """One request, written down if anybody was there to take it."""
        said = Said(kind, time.monotonic())
        with contextlib.suppress(OSError), Caller(self, said, chance) as caller:
            try:
                KINDS[kind][1](caller)
            finally:
                note_answer(said, caller.received)
        said.ended_s = time.monotonic()
        if not said.connected:
            return said
        if said.acknowledged:
            self.acknowledged.append(said.invocation)
        self.said.append(said)
        return said

    def _call(self, number: int) -> None:
        count = 0
        while not self._ended.is_set():
            if not self._going.is_set():
                self._idle[number].set()
                self._going.wait()
                continue
            self._idle[number].clear()
            chance = random.Random(f"{self.seed}/{number}/{count}")
            kind = chance.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
            if self.once(kind, chance).connected:
                count += 1
            else:
                time.sleep(0.02)  # nobody listens at the moment: say it again


def note_answer(said: Said, received: bytes) -> None:
    """Read status, invocation and whether it is whole from what came."""
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if not lines[0].startswith(b"HTTP/1.1 "):
        return
    said.status = int(lines[0][9:12])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    said.invocation = headers.get(b"noghost-instance", b"").decode()
    said.retry_after = b"retry-after" in headers
    computes = said.kind.startswith(("chat", "completion"))
    said.acknowledged = computes and said.status == 200 and is_whole(headers, body)


def is_whole(headers: dict[bytes, bytes], body: bytes) -> bool:
    """The last event of a stream, or every byte of an object."""
    if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
        return b"data: [DONE]" in body
    return len(body) == int(headers.get(b"content-length", b"-1")) and body.endswith(b"}")


def tally(said: Sequence[Said]) -> dict[str, dict[str, int]]:
    """For each kind: how many, whole, refused with 503, other status, without any answer; seconds of the slowest."""
    table = {kind: dict.fromkeys(("said", "200", "whole", "503", "4xx", "500", "none", "slowest"), 0) for kind in KINDS}
    for one in said:
        row = table[one.kind]
        row["said"] += 1
        row["whole"] += one.acknowledged
        row["slowest"] = max(row["slowest"], round(one.ended_s - one.began_s))
        status = "4xx" if 400 <= one.status < 500 else str(one.status or "none")
        row[status] = row.get(status, 0) + 1
    return table
