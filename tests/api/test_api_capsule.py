"""Capsules over the API: given to the caller and to nobody else, taken back, and refused where they do not fit."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.capsules import BOUNDARY, CHAT, KEY, KIND, fields, fresh_key, give, key_header, parts_of, send, two_parts
from api.wire import ask, get, healthy, post
from noghost.engine.capsule import open_sealed, seal
from noghost.engine.origin import Origin
from running import Service, running

QUESTION = "Tell me about the sea. " * 12


@pytest.fixture(autouse=True)
def goes_on(service: Service) -> Iterator[None]:
    yield
    assert healthy(service)


@pytest.fixture(scope="module")
def capsule(service: Service) -> bytes:
    """Of one question and its answer."""
    return parts_of(give(service, fields(QUESTION))).capsule


def test_an_answer_has_two_parts_and_the_first_is_what_it_would_have_been(service: Service) -> None:
    answer = parts_of(give(service, fields(QUESTION)))
    plain = ask(service, **fields(QUESTION, capsule=False))
    assert answer.text == plain.json["choices"][0]["message"]["content"]
    assert set(answer.json) == set(plain.json)
    opened = open_sealed(KEY, memoryview(bytearray(answer.capsule)))
    assert len(opened.tokens) == answer.json["usage"]["prompt_tokens"], "the answer's own came in other batches"


def test_it_spares_the_prompt_and_changes_no_byte(service: Service) -> None:
    first = parts_of(give(service, fields(QUESTION)))
    asked = fields(QUESTION, first.text, "And the sky?", seed=5, temperature=0.9)
    whole = parts_of(give(service, asked))
    spared = parts_of(give(service, asked, first.capsule))
    assert spared.facts["capsule_tokens"] > first.json["usage"]["prompt_tokens"] - 8
    assert spared.text == whole.text
    assert spared.json["usage"] == whole.json["usage"]
    assert "capsule_tokens" not in whole.facts


def test_streamed(service: Service, capsule: bytes) -> None:
    asked = fields(QUESTION, "It is wide.", "And the sky?", stream=True)
    answer = parts_of(give(service, asked, capsule))
    assert answer.body.startswith(b'data: {"id"')
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert b'"capsule_tokens":' in answer.body
    assert len(open_sealed(KEY, memoryview(bytearray(answer.capsule))).tokens) > 64


def test_of_a_text_completion_and_as_a_form(service: Service) -> None:
    story = "Once upon a time there was a ghost. " * 20
    asked = {"prompt": story, "max_tokens": 4, "temperature": 0, "noghost": {"capsule": True}}
    first = parts_of(give(service, asked, path="/v1/completions"))
    longer = asked | {"prompt": story + "And then", "noghost": {}}
    body = two_parts(json.dumps(longer).encode(), first.capsule)
    body = body.replace(b"Content-Type: app", b'Content-Disposition: form-data; name="x"\r\nContent-Type: app')
    kind = f'multipart/form-data; boundary="{BOUNDARY}"'
    reply = send(service, body, key_header(), kind=kind, path="/v1/completions")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json["noghost"]["capsule_tokens"] == reply.json["usage"]["prompt_tokens"] - 64


def test_what_the_two_texts_have_in_common_is_used(service: Service, capsule: bytes) -> None:
    """Another question: the template's beginning is the same, and no more."""
    asked = fields("Why is the sky so blue? " * 12, capsule=False)
    reply = give(service, asked, capsule)
    assert 0 < reply.json["noghost"]["capsule_tokens"] < reply.json["usage"]["prompt_tokens"]
    whole = ask(service, **asked).json["choices"][0]["message"]["content"]
    assert reply.json["choices"][0]["message"]["content"] == whole


def test_one_that_holds_the_whole_prompt(service: Service, capsule: bytes) -> None:
    """Its end is computed anew, in a batch as large as it was computed in before."""
    reply = give(service, fields(QUESTION, capsule=False), capsule)
    assert reply.json["noghost"]["capsule_tokens"] == reply.json["usage"]["prompt_tokens"] - 64


def test_of_a_conversation_too_short_for_one(service: Service) -> None:
    """There is one all the same, of one token; it spares nothing."""
    first = parts_of(give(service, fields("Hi")))
    assert len(open_sealed(KEY, memoryview(bytearray(first.capsule))).tokens) == 1
    assert (
        give(service, fields("Hi", first.text, "And?", capsule=False), first.capsule).json["noghost"]["capsule_tokens"]
        == 0
    )


# --- what does not fit ----------------------------------------------------------------------------------------


def refusal(service: Service, capsule: bytes, asked: dict[str, Any] | None = None, key: bytes = KEY) -> tuple[int, str]:
    reply = give(service, asked or fields(QUESTION), capsule, key)
    return reply.status, reply.error["code"]


def resealed(capsule: bytes, **changes: Any) -> bytes:
    """What whoever has the key can make of it: other facts, tokens or state, with a tag that is right."""
    opened = open_sealed(KEY, memoryview(bytearray(capsule)))
    names = ("weights", "build", "k_type", "v_type", "flash_attention", "long_context")
    origin = {name: getattr(opened.origin, name) for name in names}
    found = {"tokens": list(opened.tokens), "state": opened.state.tobytes()} | origin | changes
    state = memoryview(found["state"])
    return b"".join(seal(KEY, Origin(*(found[name] for name in names)), found["tokens"], state))


def test_changed_cut_or_under_another_key(service: Service, capsule: bytes) -> None:
    middle = len(capsule) // 2
    for wrong in (
        capsule[:middle] + bytes((capsule[middle] ^ 1,)) + capsule[middle + 1 :],
        capsule[:-1],
        capsule[:middle],
        capsule + b"\0",
    ):
        assert refusal(service, wrong) == (400, "capsule_not_opened")
    assert refusal(service, capsule, key=fresh_key()) == (400, "capsule_not_opened")
    for wrong in (b"", b"noghost-capsule/v1\n", b"noghost-capsule/v2\n" + capsule[19:]):
        assert refusal(service, wrong) == (400, "capsule_malformed")


def test_of_another_model_build_or_context(service: Service, capsule: bytes) -> None:
    for changes in ({"weights": bytes(32)}, {"build": bytes(32)}, {"k_type": 8}, {"flash_attention": 0}):
        assert refusal(service, resealed(capsule, **changes)) == (409, "capsule_mismatch")


def test_a_state_that_llama_cpp_must_not_see(service: Service, capsule: bytes) -> None:
    opened = open_sealed(KEY, memoryview(bytearray(capsule)))
    state, tokens = opened.state.tobytes(), list(opened.tokens)
    for at, new in (
        (12, b"\xff\xff\xff\xff"),
        (16, b"\xff\xff\xff\x7f"),
        (20, b"\0\0\0\x80"),
        (len(state) - 1, b"\x7c"),
    ):
        wrong = state[:at] + new + state[at + len(new) :]
        assert refusal(service, resealed(capsule, state=wrong)) == (400, "capsule_malformed")
    assert refusal(service, resealed(capsule, tokens=tokens[:-1])) == (400, "capsule_malformed")
    assert refusal(service, resealed(capsule, state=state[:-4])) == (400, "capsule_malformed")


def test_of_another_text(service: Service, capsule: bytes) -> None:
    asked = {"prompt": "Once upon a time", "max_tokens": 1}
    reply = give(service, asked, capsule, path="/v1/completions")
    assert (reply.status, reply.error["code"]) == (409, "capsule_of_another_text")


def test_without_a_key_or_with_none_that_is_one(service: Service, capsule: bytes) -> None:
    wanted = json.dumps(fields(QUESTION)).encode()
    given, kind = two_parts(wanted, capsule), f"multipart/mixed; boundary={BOUNDARY}"
    for body, its_kind in ((wanted, "application/json"), (given, kind)):
        reply = send(service, body, kind=its_kind)
        assert (reply.status, reply.error["code"]) == (400, "capsule_key_missing")
        for wrong in ("", "AAAA", "?" * 44, base64.b64encode(bytes(33)).decode()):
            reply = send(service, body, f"noghost-capsule-key: {wrong}", kind=its_kind)
            assert (reply.status, reply.error["code"]) == (400, "capsule_key_invalid")


ASKED = json.dumps(fields("Hi", capsule=False)).encode()
RIGHT = two_parts(ASKED, b"x")
WRONG_PARTS = {
    "one part": RIGHT.split(b"\r\n--")[0] + b"\r\n--" + BOUNDARY.encode() + b"--",
    "three parts": two_parts(ASKED, b"x\r\n--" + BOUNDARY.encode() + b"\r\n\r\ny").replace(b"x\r\n", b"\r\n", 1),
    "a preamble": b"hello\r\n" + RIGHT,
    "an epilogue": RIGHT + b"bye",
    "no end": RIGHT[:-6],
    "the capsule first": two_parts(b"x", ASKED, kinds=(KIND, "application/json")),
    "another type": two_parts(ASKED, b"x", kinds=("text/plain", "")),
    "another boundary": two_parts(ASKED, b"x", "another"),
    "no header": RIGHT.replace(b"Content-Type: application/json\r\n\r\n", b""),
    "nothing": b"",
}


@pytest.mark.parametrize("name", [name for name in WRONG_PARTS if name != "three parts"])
def test_parts_that_are_none(service: Service, name: str) -> None:
    reply = send(service, WRONG_PARTS[name], key_header(), kind=f"multipart/mixed; boundary={BOUNDARY}")
    assert (reply.status, reply.error["code"]) == (400, "invalid_parts")


def test_three_parts_are_two_and_the_second_is_no_capsule(service: Service) -> None:
    reply = send(service, WRONG_PARTS["three parts"], key_header(), kind=f"multipart/mixed; boundary={BOUNDARY}")
    assert (reply.status, reply.error["code"]) == (400, "capsule_malformed")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/related; boundary=b", "multipart/mixed; boundary="])
def test_parts_without_a_boundary(service: Service, kind: str) -> None:
    reply = send(service, RIGHT, key_header(), kind=kind)
    assert (reply.status, reply.error["code"]) == (400, "invalid_parts")


def test_limits(tmp_path: Path, capsule: bytes) -> None:
    small = 128 * 1024
    with running(tmp_path, "--limit", f"capsule_bytes={small}", "--limit", "body_bytes=2000") as service:
        assert refusal(service, capsule, fields("Hi")) == (413, "capsule_too_large")
        assert refusal(service, b"x", fields("Hi" * 1000)) == (413, "body_too_large")
        assert refusal(service, bytes(small + 10_000), fields("Hi")) == (413, "capsule_too_large")
        made = parts_of(give(service, fields(QUESTION))).capsule
        assert small - 24_000 < len(made) <= small, "as many tokens as there is room for"
        assert give(service, fields("Hi"), made).status == 200


# --- P10: nothing of it stays ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"noghost": {"capsule": "store"}},
        {"noghost": {"capsule": {"store": True}}},
        {"noghost": {"capsule": "cap_1"}},
        {"noghost": {"capsule_id": "1"}},
        {"noghost": {"capsule": True, "keep": True}},
        {"noghost": {"capsule": True, "ttl_s": 60}},
        {"store": True, "noghost": {"capsule": True}},
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"cache_prompt": True},
        {"id_slot": 0},
        {"prompt_cache_retention": "24h"},
    ],
    ids=str,
)
def test_to_store_one_here_is_refused(service: Service, changes: dict[str, Any]) -> None:
    reply = send(service, json.dumps(fields("Hi", capsule=False) | changes).encode(), key_header())
    assert 400 <= reply.status < 500
    assert reply.error["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/capsules"),
        ("PUT", "/v1/capsules/1"),
        ("GET", "/v1/capsules/1"),
        ("POST", "/slots/0?action=save"),
        ("POST", "/slots/0?action=restore"),
        ("POST", "/v1/files"),
        ("POST", "/v1/conversations"),
        ("PUT", CHAT),
    ],
)
def test_there_is_no_place_to_store_one(service: Service, method: str, path: str) -> None:
    reply = get(service, path, method)
    assert reply.status in (404, 405)
    assert reply.error["message"]


def test_two_callers_share_nothing(service: Service, capsule: bytes) -> None:
    """Who knows the key and has not the capsule gets nothing of it."""
    assert re.search(r'"capsule_tokens"', give(service, fields(QUESTION, capsule=False)).body.decode()) is None
    assert post(service, json.dumps(fields(QUESTION, capsule=False)).encode()).status == 200
