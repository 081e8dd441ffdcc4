"""P10 yours: a capsule and its key, and the keys of commitments, are with the caller alone once the answer has ended.

A capsule's key is made of the canary's own words, so that the reaper's search finds it: it is in the instance before
the wipe (positive control) and not after it; with the wipe off it is there after it as well (mutant). What survives,
warden and reaper, is searched for the words, the token ids, the key and the capsule's own bytes; the control of that
search is the same search of the caller, who holds all four. Requests to store one are refused: see
tests/api/test_api_capsule.py. Of an answer that was committed to, the service's files are searched as well.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator

import pytest

from api.capsules import BOUNDARY, fields, fresh_key, give, parts_of, two_parts
from noghost.client.claim import answer_key, body_of, check, headers_for, new_key
from noghost.client.hunt import Needle, count_in_file, count_in_pid, needles_for, new_canary
from noghost.engine.capsule import open_sealed
from noghost.ledger.receipt import Receipt
from promises.repeating import ended_receipt, post, text_of
from promises.talking import Call, connect
from promises.test_p2_gone import GONE_S, receipt_of, report_on, the_instance, watched
from promises.witness import canary
from running import Service, wait_for


@pytest.fixture(scope="module")
def wiping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from watched(tmp_path_factory.mktemp("p10") / "on", "on")


@pytest.fixture(scope="module")
def mutant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from watched(tmp_path_factory.mktemp("p10") / "off", "off")


def marked_key() -> bytes:
    """32 bytes in which the hunter finds the canary."""
    return canary()[:32].encode()


def begin(service: Service, capsule: bytes | None = None) -> Call:
    """A streamed request with the marked key that goes on until it is ended, or with a capsule to its answer."""
    asked = fields("Tell me of the sea.", stream=True, ignore_eos=True, max_tokens=8 if capsule else 1500)
    body, kind = json.dumps(asked).encode(), "application/json"
    if capsule is not None:
        body, kind = two_parts(body, capsule), f"multipart/mixed; boundary={BOUNDARY}"
    key = base64.b64encode(marked_key()).decode()
    call = connect(service)
    call.connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
        + f"content-type: {kind}\r\nnoghost-capsule-key: {key}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return call


def test_nothing_is_left_of_the_key_after_an_answer_with_capsules(wiping: Service) -> None:
    capsule = parts_of(give(wiping, fields("Tell me of the sea."), key=marked_key())).capsule
    with begin(wiping, capsule) as call:
        pid = the_instance(wiping)
        assert b"application/vnd.noghost.capsule" in call.read_all()
        found = report_on(wiping, pid)
    assert found["before"] > 0
    assert found["after"] == 0
    receipt = receipt_of(wiping, call.invocation)
    assert (receipt["outcome"], receipt["wipe"]) == ("answered", "verified")
    assert int(receipt["refused_calls"]) == 0, "all that a capsule needs was rehearsed before the fork"


def test_nor_when_it_is_killed(wiping: Service) -> None:
    with begin(wiping) as call:
        call.read_until(b'"delta":{"content":')
        pid = the_instance(wiping)
        os.kill(pid, 9)
        found = report_on(wiping, pid)
    assert found["before"] > 0
    assert found["after"] == 0


def test_the_mutant_that_wipes_nothing_is_found(mutant: Service) -> None:
    with begin(mutant) as call:
        call.read_until(b'"delta":{"content":')
        pid = the_instance(mutant)
        os.kill(pid, 9)
        found = report_on(mutant, pid)
    assert found["after"] == found["before"] > 0


def test_what_survives_has_neither_key_nor_tokens_nor_state(service: Service) -> None:
    words, key = new_canary(), fresh_key()
    asked = fields(f"My case number is {words}. " + "It was lost at sea. " * 4)
    first = parts_of(give(service, asked, key=key)).capsule
    capsule = parts_of(give(service, asked, first, key)).capsule
    opened = open_sealed(key, memoryview(bytearray(capsule)))
    tokens, state = list(opened.tokens), opened.state.tobytes()
    needles = [
        *needles_for(words, tokens, width_chars=16),
        *(raw_needle(key, "key"), raw_needle(capsule[4096:4160], "capsule")),
        *(raw_needle(state[at : at + 64], "state") for at in (len(state) // 2, len(state) - 64)),
    ]
    wait_for(lambda: not service.instances(), GONE_S, "the instances to end")
    for pid in (service.pid, service.reaper_pid):
        assert count_in_pid(pid, needles) == []
    mine = count_in_pid(os.getpid(), needles)
    assert {"canary", "key", "capsule", "state"} <= {find.what for find in mine}, "control"
    assert any(find.encoding.startswith("token ids") for find in mine), "control"


def test_a_receipt_of_an_answer_is_all_that_is_kept_of_it(service: Service) -> None:
    """Question, answer and both keys are in no process and no file, and the receipt is of them."""
    words, key = new_canary(), new_key()
    options = {"max_tokens": 40, "temperature": 1.5, "seed": 5}
    body = body_of([{"role": "user", "content": f"My case number is {words}. Tell me of the sea."}], options)
    answer = post(service, body, **headers_for(key, body))
    text = text_of(answer)
    receipt = Receipt.parse(ended_receipt(service, answer.headers["noghost-instance"])).verify()
    assert check(receipt, key, body, text).holds
    keys = [form for one in (key, answer_key(key)) for form in (one, one.hex().encode(), base64.b64encode(one))]
    needles = [*needles_for(words, width_chars=16), *needles_for(text, what="answer")]
    needles += [raw_needle(form, "key") for form in keys]
    wait_for(lambda: not service.instances(), GONE_S, "the instances to end")
    for pid in (service.pid, service.reaper_pid):
        assert count_in_pid(pid, needles) == []
    assert {find.what for find in count_in_pid(os.getpid(), needles)} == {"canary", "answer", "key"}, "control"
    files = [path for path in service.home.rglob("*") if path.is_file()]
    assert [path for path in files if count_in_file(path, needles)] == []
    assert any(b"closed" in path.read_bytes() for path in files), "control: the ledger is among them"


def raw_needle(raw: bytes, what: str) -> Needle:
    assert len(set(raw)) > 8, "distinctive"
    return Needle(raw, "raw", what, 0, len(raw))
