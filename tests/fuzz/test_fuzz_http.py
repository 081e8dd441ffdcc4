"""The HTTP edge: whatever bytes come over the socket, in whatever pieces, the answer is one well-formed answer or a
clean close, never a 5xx; the instance ends as it should and the service goes on."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from api.wire import PATIENCE_S, Reply, parse
from fuzz.effort import WANTED, effort
from fuzz.mutation import mutated
from noghost.warden.lobby import SHORTEST_BYTES
from running import Service, running, wait_for

UNBORN = "UNBORN"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

RIGHT = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}).encode()
JSON = b"Content-Type: application/json"
GOOD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (
    JSON,
    len(RIGHT),
    RIGHT,
)
CHUNKED = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n" % JSON
CHUNKED += b"%x;a=b\r\n%s\r\n%x\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (7, RIGHT[:7], len(RIGHT) - 7, RIGHT[7:])
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

METHODS = (b"GET", b"POST", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"", b"PRI", b"G\0T", b"\xff", b"A" * 70)
TARGETS = (
    *(b"/healthz", b"/v1/models", b"/v1/models/%2e%2e", b"/v1/receipts/x", b"/v1/chat/completions", b"/v1/completions"),
    *(b"/docs", b"/openapi.json", b"*", b"", b"//", b"/%00", b"/%", b"/%ff", b"http://localhost/healthz", b"/a b"),
    *(b"/healthz?" + b"a=b&" * 100, b"/" + b"a" * 9000, b"/\xff", b"/v1/models/" + b"%2F" * 50, b"localhost:443"),
)
VERSIONS = (
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/1.10",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"",
    b"HTTP/\0",
)
LINES = (
    *(b"Host: localhost", b"Host: [::1]:80", b"Host: elsewhere.example", b"Host:", b"Host: \xff", b"Host: a, b", JSON),
    *(b"Content-Length: %s" % n for n in (b"0", b"5", b"-1", b"+5", b"5, 5", b"5, 6", b"0x5", b"5.0", b"", b"9" * 30)),
    *(b"Content-Length: %s" % n for n in (b"65537", b"00000000005", b"\xb2", b"5 ", b"18446744073709551616")),
    *(
        b"Transfer-Encoding: %s" % t
        for t in (b"chunked", b"chunked, chunked", b"gzip, chunked", b"identity", b"Chunked")
    ),
    *(b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked\r\n , gzip"),
    *(b"Transfer_Encoding: chunked", b"Expect: 100-continue", b"Expect: 200-ok", b"Connection: keep-alive, upgrade"),
    *(
        b"Upgrade: h2c",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Key: x",
        b"X",
        b": x",
        b" X: y",
        b"X : y",
        b"X:\0",
        b"\0: x",
    ),
    *(b"X: a\r\n\tb", b"X: a\nY: b", b"X: a\rY: b", b"X: " + b"a" * 9000, b"\xc3\xa9: x", b"Accept-Encoding: gzip"),
    *(b"Content-Type: multipart/form-data; boundary=x", b"Authorization: Bearer \xff", b"Content-Encoding: gzip"),
)
BODIES = (b"", b"a", b"{}", RIGHT, b"\xff" * 5, b"{" * 3000, b"a" * 70_000, b"\r\n\r\n", GET)
CHUNKS = (
    *(
        b"0\r\n\r\n",
        b"5\r\nabcde\r\n0\r\n\r\n",
        b"5\r\nabc",
        b"-1\r\na\r\n",
        b"ffffffffffffffffff\r\na",
        b"5;" + b"e" * 9000,
    ),
    *(b"5\nabcde\n0\n\n", b"0\r\nX: y\r\nContent-Length: 5\r\n\r\n", b"+5\r\nabcde\r\n", b"0x5\r\nabcde\r\n", b"\r\n"),
    *(b"1\r\nab\r\n0\r\n\r\n", b"00000000000000000001\r\na\r\n0\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 2000 + b"\r\n"),
)
ENDS = (b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"\0\r\n", b"")


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """A request line and headers, some of them wrong."""
    words = (draw(st.sampled_from(part)) for part in (METHODS, TARGETS, VERSIONS))
    lines = [b" ".join(words), *draw(st.lists(st.sampled_from(LINES), max_size=5))]
    if draw(st.booleans()):
        lines[0] = draw(st.sampled_from((b"POST /v1/chat/completions HTTP/1.1", b"GET /healthz HTTP/1.1")))
        lines[1:1] = [b"Host: localhost"]
    end = draw(st.sampled_from(ENDS))
    return b"".join(line + end for line in lines) + draw(st.sampled_from((end, b"\r\n", b"", b"\r\n\r\n")))


requests = st.one_of(
    st.tuples(heads(), st.sampled_from(BODIES + CHUNKS)).map(b"".join),
    st.sampled_from(CHUNKS).map(lambda chunks: CHUNKED.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + chunks),
    mutated(GOOD),
    mutated(CHUNKED),
    mutated(GET),
    st.binary(max_size=200),
)


@dataclass(frozen=True)
class Talk:
    """What a caller sends, in which pieces, and how it leaves."""

    data: bytes
    cuts: tuple[int, ...] = ()
    end: str = "stays"

    def pieces(self) -> Iterator[bytes]:
        edges = [0, *sorted(min(cut, len(self.data)) for cut in self.cuts), len(self.data)]
        return (self.data[a:b] for a, b in pairwise(edges) if a != b)


talks = st.builds(
    Talk,
    st.lists(requests, min_size=1, max_size=3).map(b"".join) | requests,
    st.lists(st.integers(0, 400), max_size=3).map(tuple),
    st.sampled_from(("stays", "closes its side", "closes its side", "closes", "resets")),
)


@dataclass
class Door:
    """The service, and how its instances have ended."""

    service: Service
    report: Path

    def endings(self) -> list[str]:
        lines = self.report.read_text().splitlines() if self.report.exists() else []
        return [line.split()[1] for line in lines]

    def talk(self, talk: Talk) -> tuple[bytes, str]:
        """(what came back, how the instance ended); who said nothing, or left early, may have had none."""
        before = len(self.endings())
        received = exchange(self.service.port, talk)
        if not received:
            exchange(self.service.port, Talk(GET))  # born after it, if it is born at all
            wait_for(lambda: not self.service.instances(), PATIENCE_S, f"the end of {talk}")
            wait_for(lambda: "ANSWERED" in self.endings()[before:], PATIENCE_S, "the end of the one after it")
            endings = self.endings()[before:]
            endings.remove("ANSWERED")
            return received, endings[0] if endings else UNBORN
        wait_for(lambda: len(self.endings()) > before, PATIENCE_S, f"the end of {talk}")
        return received, self.endings()[before]


def exchange(port: int, talk: Talk) -> bytes:
    """Send it all and read to the end; a caller that leaves reads nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in talk.pieces():
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered, and closed
        if talk.end == "closes its side":
            shut(connection)
        if talk.end == "resets":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return read_all(connection) if talk.end in ("stays", "closes its side") else b""


def shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has closed already
        connection.shutdown(socket.SHUT_WR)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass  # what was sent after the end of the request is not read, and resets the connection
    return data


def check_answer(received: bytes, talk: Talk) -> Reply | None:
    """Exactly one answer, whole, and no fault of ours; or none, where the caller had left."""
    received = received.removeprefix(b"HTTP/1.1 100 \r\n\r\n")
    if not received:
        assert talk.end != "stays" or len(talk.data) < SHORTEST_BYTES
        return None
    assert received.startswith(b"HTTP/1.1 ")
    reply = parse(received)
    assert 200 <= reply.status < 500
    assert reply.headers["connection"] == "close"
    if "content-length" in reply.headers and reply.body:
        assert len(reply.body) == int(reply.headers["content-length"])
    if reply.status >= 400 and reply.body:
        assert reply.error["message"]
    return reply


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home = tmp_path_factory.mktemp("door")
    launcher = str(Path(__file__).with_name("endings_service.py"))
    report = home / "endings"
    home.mkdir(exist_ok=True)
    with running(home, command=(sys.executable, launcher, str(report))) as service:
        report.write_text("")  # the probe's own end
        yield Door(service, report)
        assert "out_of_turn" not in service.log
        assert "wipe_failed" not in service.log


@effort(150)
@given(talk=talks)
@example(talk=Talk(GOOD))
@example(talk=Talk(CHUNKED))
@example(talk=Talk(GET + GET))
@example(
    talk=Talk(
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
)
def test_any_bytes(door: Door, talk: Talk) -> None:
    received, ending = door.talk(talk)
    reply = check_answer(received, talk)
    event(f"{reply.status if reply else 'none'} {ending}")
    assert ending in ("ANSWERED", "REFUSED", "DISCONNECTED", "TIMEOUT", UNBORN)
    if reply and ending == "ANSWERED":
        assert reply.status < 400
    if reply and ending == "REFUSED":
        assert reply.status >= 400


@pytest.mark.parametrize("request_", [GOOD, CHUNKED], ids=["length", "chunked"])
def test_a_request_in_two_pieces_is_the_same_wherever_it_is_cut(door: Door, request_: bytes) -> None:
    for cut in range(1, len(request_), 3 if WANTED else 17):
        reply = check_answer(door.talk(Talk(request_, (cut,)))[0], Talk(request_))
        assert reply
        assert reply.status == 200


def test_the_service_goes_on(door: Door) -> None:
    reply = check_answer(door.talk(Talk(GET))[0], Talk(GET))
    assert reply
    assert reply.json == {"status": "ok"}
