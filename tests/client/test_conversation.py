"""A conversation against a real service: what it spares, what it says, and what it does when a capsule is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from noghost.client.conversation import Conversation, is_local
from noghost.client.mixed import Answer, two_parts
from noghost.client.worth import Worth
from noghost.errors import HuntError
from running import Service, running

QUESTION = "Tell me about the sea. " * 12
OPTIONS = {"temperature": 0, "max_tokens": 8, "noghost": {"threads": 1}}


def said(talk: Conversation, text: str) -> str:
    return "".join(talk.say(text))


@pytest.mark.slow
def test_the_second_answer_spares_the_first_ones_prompt_and_is_the_same(service: Service) -> None:
    with (
        Conversation(service.url, **OPTIONS) as talk,
        Conversation(service.url, capsules=False, **OPTIONS) as plain,
    ):
        answers = [[said(one, text) for text in (QUESTION, "And the sky?")] for one in (talk, plain)]
        assert answers[0] == answers[1]
        assert talk.messages == plain.messages
        assert talk.facts["capsule_tokens"] > 80
        assert "capsule_tokens" not in plain.facts
        assert talk.capsule_bytes > 0 == plain.capsule_bytes
        assert repr(talk._key) not in repr(talk)


@pytest.mark.slow
def test_over_tls(tmp_path: Path) -> None:
    """Both ways through OpenSSL, and padded: the service pads where it speaks TLS."""
    with (
        running(tmp_path, "--tls") as service,
        Conversation(service.url, fingerprint=service.fingerprint, **OPTIONS) as talk,
    ):
        assert all(said(talk, text) for text in (QUESTION, "And the sky?"))
        assert talk.facts["capsule_tokens"] > 80
        assert talk.capsule_bytes > 10**6


@pytest.mark.slow
def test_a_capsule_that_is_refused_is_left_out(service: Service) -> None:
    with Conversation(service.url, **OPTIONS) as talk:
        said(talk, QUESTION)
        assert talk._capsule is not None
        talk._capsule = talk._capsule[:-1] + bytes((talk._capsule[-1] ^ 1,))
        assert said(talk, "And the sky?")
        assert "capsule_tokens" not in talk.facts
        assert talk.capsule_bytes, "a new one"


class Slow(Worth):
    """A way so slow that nothing pays, whatever is measured."""

    def pays(self, tokens: int, capsule_bytes: int) -> bool:
        self.way_bytes_s = 1.0
        return Worth.pays(self, tokens, capsule_bytes)


@pytest.mark.slow
def test_one_that_does_not_pay_is_not_sent(service: Service) -> None:
    with Conversation(service.url, worth=Slow(), **OPTIONS) as talk:
        said(talk, QUESTION)
        assert not talk.capsule_bytes
        said(talk, "And the sky?")
        assert "capsule_tokens" not in talk.facts


def test_worth() -> None:
    worth = Worth()
    assert worth.pays(10, 10**9), "nothing known yet"
    worth.saw_prefill(100, 1.0)
    worth.saw_way(10**8, 1.0)
    assert worth.pays(1000, 10**8)
    assert not worth.pays(100, 10**8)
    worth.saw_opening(10**8, 6.0)
    assert not worth.pays(1000, 10**8)
    worth.saw_prefill(1, 1e-9)
    assert worth.prefill_tok_s == 100, "too few tokens to tell"


@pytest.mark.slow
def test_an_answer_that_breaks_off_leaves_the_conversation_as_it_was(service: Service) -> None:
    with Conversation(service.url, **OPTIONS | {"max_tokens": 500}) as talk:
        pieces = talk.say("Tell me a long story.")
        assert next(pieces)
        pieces.close()
        assert talk.messages == []
        with pytest.raises(HuntError, match="400"):
            said(talk, "word " * 20_000)
        assert talk.messages == []
        assert said(talk, "Hi")


def test_errors_are_told(service: Service) -> None:
    with Conversation(service.url, model="none such") as talk, pytest.raises(HuntError, match="404"):
        said(talk, "Hi")
    with Conversation("http://127.0.0.1:1") as talk, pytest.raises(HuntError, match="no answer"):
        said(talk, "Hi")


def test_local_is_this_machine() -> None:
    assert is_local("http://127.0.0.1:8462")
    assert is_local("unix:/tmp/socket")
    assert is_local("http://localhost:8462/v1")
    assert not is_local("https://example.org")


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return iter([data[at : at + size] for at in range(0, len(data), size)])


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_parts_are_read_however_they_are_cut(size: int) -> None:
    capsule = b"\r\n--b--\r\n--b\r\n\n\n" * 3
    head = f"Content-Type: application/vnd.noghost.capsule\r\nContent-Length: {len(capsule)}\r\n\r\n".encode()
    body = (
        b"--b\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\ndata: 2\n\n\r\n--b\r\n"
        + head
        + capsule
        + b"\r\n--b--\r\n"
    )
    answer = Answer("multipart/mixed; boundary=b", cut(body, size))
    assert [line for line in answer.lines() if line] == [b"data: 1", b"data: 2"]
    assert answer.capsule == capsule
    short = Answer("multipart/mixed; boundary=b", cut(body[: -len(capsule)], size))
    assert list(short.lines())
    assert short.capsule is None
    plain = Answer("text/event-stream", cut(b"data: 1\n\ndata: 2", size))
    assert list(plain.lines()) == [b"data: 1", b"", b"data: 2"]
    with pytest.raises(HuntError):
        list(Answer("multipart/mixed; boundary=b", cut(b"--b", size)).lines())


def test_what_is_sent_is_what_the_service_reads() -> None:
    from noghost.api.parts import boundary_of, split

    given = b"\0\r\n--\xff" * 100_000
    kind, length, pieces = two_parts(b"{}", given)
    boundary = boundary_of(kind)
    assert boundary
    body = bytearray().join(pieces)
    text, capsule = split(body, boundary)
    assert (json.loads(text), capsule.tobytes(), len(body)) == ({}, given, length)
