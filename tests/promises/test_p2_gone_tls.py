"""P2 gone, over TLS: OpenSSL's buffers are wiped with the rest, and what never became a request is wiped as well.

The canary is before the wipe (positive control) and not after it. Of a caller that never said a request it stands in
what was said instead: in the server name of half a greeting, in garbage, in plain HTTP.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from promises.talking import Call, connect_plainly, say, say_long
from promises.test_p2_gone import (
    ENDINGS,
    GONE_S,
    PROMPT,
    end_by_disconnect,
    receipt_of,
    report_on,
    the_instance,
    unread,
    watched,
)
from promises.witness import canary
from running import Service, wait_for


@pytest.fixture(scope="module")
def wiping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from watched(tmp_path_factory.mktemp("p2") / "tls", "on", WITNESS_TLS="1")


@pytest.fixture(scope="module")
def mutant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from watched(tmp_path_factory.mktemp("p2") / "tls-off", "off", WITNESS_TLS="1")


@pytest.mark.parametrize("ending", ["disconnect", "SIGKILL", "SIGSEGV", "time-out"])
def test_nothing_is_left_whatever_the_ending(wiping: Service, ending: str) -> None:
    end, outcome = ENDINGS[ending]
    with say_long(wiping, PROMPT) as call:
        assert isinstance(call.connection, ssl.SSLSocket)
        invocation, pid = call.invocation, the_instance(wiping)
        end(wiping, call, pid)
        found = report_on(wiping, pid)
    assert found["before"] > 0
    assert found["after"] == 0
    receipt = receipt_of(wiping, invocation)
    assert (receipt["outcome"], receipt["wipe"]) == (outcome, "verified")


def test_nothing_is_left_after_an_answer(wiping: Service) -> None:
    with say(wiping, PROMPT, max_tokens=8, stream=True) as call:
        pid = the_instance(wiping)
        assert b"[DONE]" in call.read_all()
        found = report_on(wiping, pid)
    assert found["before"] > 0
    assert found["after"] == 0
    assert receipt_of(wiping, call.invocation)["outcome"] == "answered"


def greeting() -> bytes:
    """A caller's first message; the canary is the name that it asks for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    leaving = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), leaving, server_hostname=canary()).do_handshake()
    return leaving.read()


def test_nothing_is_left_of_half_a_handshake(wiping: Service) -> None:
    with connect_plainly(wiping) as call:
        call.connection.sendall(greeting()[:-1])
        pid = the_instance(wiping)
        wait_for(lambda: unread(call) == 0, GONE_S, "the instance to read it")
        end_by_disconnect(wiping, call, pid)
        found = report_on(wiping, pid)
    assert found["before"] > 0
    assert found["after"] == 0


@pytest.mark.parametrize("start", [b"\x16\x03\x01\x00\x40", b"GET / HTTP/1.1\r\n\r\n"], ids=["garbage", "plain HTTP"])
def test_nothing_is_left_of_what_is_refused(wiping: Service, start: bytes) -> None:
    with connect_plainly(wiping) as call:
        call.connection.sendall(start + canary().encode() * 4)
        pid = the_instance(wiping)
        assert call.read_all(), "an alert, or an answer in plain HTTP"
        found = report_on_after(wiping, call, pid)
    assert found["before"] > 0
    assert found["after"] == 0


def report_on_after(service: Service, call: Call, pid: int) -> dict[str, int]:
    """The report, once the caller has left too: until then an instance takes what still comes."""
    call.connection.close()
    return report_on(service, pid)


def test_the_mutant_that_wipes_nothing_is_found(mutant: Service) -> None:
    with say_long(mutant, PROMPT) as call:
        pid = the_instance(mutant)
        end_by_disconnect(mutant, call, pid)
        found = report_on(mutant, pid)
    assert found["after"] == found["before"] > 0
