"""The timed client of `noghost bench` against servers that answer well, badly and not at all; prompts and ratios."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noghost.client.bench import Plan, peer_at
from noghost.client.bench.peer import Peer
from noghost.client.bench.ratio import quartiles, ratio
from noghost.client.bench.report import notes, render, to_json
from noghost.client.bench.stream import Server, server_at, stream
from noghost.client.reach import place_of
from noghost.errors import HuntError
from running import Service, running

KEY = "zebra-key-93"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNKED = PLAIN.replace(b"Connection", b"Transfer-Encoding: chunked\r\nConnection")
Body = dict[str, Any]


def event(told: object) -> bytes:
    return f"data: {json.dumps(told)}\n\n".encode()


def delta(**fields: str) -> bytes:
    return event({"choices": [{"delta": fields}]})


def usage(prompt: int, completion: int) -> bytes:
    return event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


def chunks(data: bytes, size: int) -> bytes:
    """As HTTP chunks that heed no event's end."""
    cut = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*cut, b""])


def asked(connection: socket.socket) -> tuple[bytes, Body]:
    """The head and the body of one request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(rest) < length:
        rest += connection.recv(65536)
    return head, json.loads(rest)


@contextlib.contextmanager
def answering(*answers: Callable[[Body], bytes]) -> Iterator[tuple[str, list[tuple[bytes, Body]]]]:
    """(address, what it was asked) of a server that gives each caller the next answer."""
    seen: list[tuple[bytes, Body]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                with listener.accept()[0] as connection:
                    seen.append(asked(connection))
                    connection.sendall(answer(seen[-1][1]))

        server = threading.Thread(target=serve)
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        server.join(10)


def once(answer: bytes, **options: Any) -> Any:
    """What the client makes of one answer; four tokens are asked for."""
    with answering(lambda _body: answer) as (url, _seen):
        return stream(server_at(url), "m", " a word", 4, **options)


FOUR = delta(role="assistant", content="") + delta(content="a") + delta(content="b") + delta(content="c") * 2


@pytest.mark.parametrize("size", [1, 7, 30, 4096])
def test_events_are_found_wherever_a_chunk_ends(size: int) -> None:
    timing = once(CHUNKED + chunks(FOUR + usage(9, 4) + b"data: [DONE]\n\n", size))
    assert (timing.prompt_tokens, timing.tokens) == (9, 4)
    assert timing.begun_s < timing.first_s < timing.last_s


def test_a_thought_is_content_and_a_role_or_a_word_about_content_is_none() -> None:
    early = event({"choices": [{"delta": {"role": "assistant", "content": None}}], "note": '"content": "x"'})
    timing = once(PLAIN + early + delta(reasoning_content="hm") + usage(9, 4))
    assert timing.first_s == timing.last_s
    with pytest.raises(HuntError, match="in one piece"):
        _ = timing.decode_tok_s


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (PLAIN + FOUR, "tells no usage"),
        (PLAIN + delta(role="assistant", content="") + usage(9, 0), "streamed no answer"),
        (PLAIN + FOUR + event({"error": {"message": "gone"}}), "broke off"),
        (PLAIN + FOUR + usage(9, 3), "asked for 4 tokens with the end of text ignored, and sent 3"),
        (
            b"HTTP/1.1 429 Slow\r\n\r\n" + b'{"error": {"message": "too fast"}}',
            "answered 429: too fast\nhint: its rate",
        ),
        (b"HTTP/1.1 502 Bad\r\n\r\n<html>", "answered 502: nothing else"),
        (PLAIN + FOUR + event({"usage": {"total_tokens": 5}}), "tells no usage"),
        (PLAIN + FOUR + b'data: {"usage": {oh\n\n', "no answer from"),
        (b"SSH-2.0-OpenSSH\r\n", "no answer from"),
        (b"", "no answer from"),
    ],
)
def test_what_is_no_answer_is_a_clear_error(answer: bytes, says: str) -> None:
    with pytest.raises(HuntError, match=says):
        once(answer)


def test_a_server_that_does_not_know_ignore_eos_is_asked_without() -> None:
    def answer(body: Body) -> bytes:
        if "ignore_eos" in body:
            return b'HTTP/1.1 400 No\r\n\r\n{"error": {"message": "ignore_eos: unknown"}}'
        return (
            PLAIN
            + delta(content="a")
            + delta(content="b")
            + usage(10 + body["messages"][0]["content"].count(" ") * 2, 2)
        )

    with answering(answer, answer, answer, answer) as (url, seen):
        peer = peer_at("other", url + "/v1", model="m", api_key=KEY)
        timing = peer.ask(70, 4)
    assert not peer.exact
    assert (peer.word_tokens, peer.overhead_tokens, timing.prompt_tokens, timing.tokens) == (2.0, 10.0, 70, 2)
    assert ["ignore_eos" in body for _head, body in seen] == [True, False, False, False]
    assert all(f"Authorization: Bearer {KEY}".encode() in head for head, _body in seen)
    assert all(head.startswith(b"POST /v1/chat/completions ") for head, _body in seen)
    assert KEY not in repr(peer)


def test_an_address_with_a_path_keeps_it() -> None:
    with answering(lambda _body: PLAIN + FOUR + usage(9, 4)) as (url, seen):
        stream(server_at(url + "/api/v1"), "m", " a", 4)
    assert seen[0][0].startswith(b"POST /api/v1/chat/completions ")


@pytest.mark.slow
def test_over_a_unix_socket_and_tls(tmp_path: Path) -> None:
    with running(tmp_path, "--unix", str(tmp_path / "door"), "--tls") as service:
        at = f"unix:{tmp_path / 'door'}"
        timing = stream(server_at(at, fingerprint=service.fingerprint), "default", " a word", 2)
        assert (timing.tokens, timing.wire_bytes) == (2, 0)
        with pytest.raises(HuntError, match="another certificate"):
            server_at(at, fingerprint="0" * 64)


@pytest.mark.slow
def test_our_own_prompts_have_exactly_their_length(service: Service) -> None:
    peer = peer_at("noghost", service.url)
    assert peer.exact
    assert peer.word_tokens == 1.0
    assert [peer.ask(length, 2).prompt_tokens for length in (50, 120)] == [50, 120]
    assert peer.prompt(50) != peer.prompt(50), "no cache knows the next one"


def test_ratios_are_of_medians_and_their_interval_is_of_the_rounds() -> None:
    assert ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == (2.0, 2.0, 2.0), "rounds are resampled in pairs"
    middle, low, high = ratio([1.0] * 9, [1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0])
    assert middle == 2.0
    assert (low, high) == (1.0, 3.0)
    assert ratio([2.0], [3.0]) == (1.5, 1.5, 1.5)
    assert (quartiles([5.0]), quartiles([1.0, 2.0, 3.0, 4.0, 5.0])) == ((5.0, 5.0), (2.0, 4.0))


def measured(name: str, model: str, prompt: float, answer: float) -> Peer:
    peer = Peer(name, Server(place_of("http://127.0.0.1:1")), model)
    peer.samples["ttft_s"][50] = [0.1, 0.2, 0.3]
    peer.samples["prompt_tokens"][50] = [prompt] * 3
    peer.samples["total_tok_s"][1] = [100.0, 90.0, 80.0]
    peer.samples["answer_tokens"][1] = [answer] * 3
    return peer


def test_the_report_says_what_makes_it_less_than_a_fair_comparison() -> None:
    plan = Plan(3, (50,), (1,), 8)
    told = "\n".join(notes(measured("other", "a", 53, 5), measured("noghost", "b", 50, 8), plan))
    assert "other counted prompts of 50 tokens as 53 to 53." in told
    assert "noghost counted" not in told
    assert "other does not ignore the end of text: 5.0 tokens an answer" in told
    assert "different names" in told
    fair = measured("other", "a", 50, 8), measured("noghost", "a", 50, 8)
    assert len(notes(*fair, plan)) == 2, "nothing more to bear in mind"
    rows = [" ".join(line.split()) for line in render(*fair, plan).splitlines()]
    assert "TTFT, 50 prompt tokens ms 200 (150 to 250) 200 (150 to 250) 1.00 (1.00 to 1.00)" in rows
    assert [row["ratio"] for row in json.loads(to_json(*fair, plan))["rows"]] == [1.0, 1.0]
