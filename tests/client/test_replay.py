"""What `noghost replay` makes of files before anything is computed: forms of an answer, seeds, terms, silence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.samples import birth
from noghost.client.replay.kept import Kept, parse_answer, read_request
from noghost.client.replay.replay import Asked, first_difference, judge, seed_of, tie_request
from noghost.client.replay.terms import DECIDES, another_day, differences
from noghost.errors import ReplayError

MARKER = "velorimat"
TOLD = {"seed": 5, "instance": "ab" * 16}


def event(delta: dict[str, Any], **more: Any) -> str:
    return f"data: {json.dumps({'choices': [{'delta': delta}], **more})}\n\n"


STREAM = (
    f": 000\n{event({'role': 'assistant', 'content': ''})}{event({'content': MARKER})}{event({'content': ' ü'})}"
    f'{event({}, noghost=TOLD)}data: {{"choices": [], "usage": {{}}}}\n\ndata: [DONE]\n\n'
)
FORMS = {
    "chat": json.dumps({"choices": [{"message": {"content": f"{MARKER} ü"}}], "noghost": TOLD}) + "   ",
    "completion": json.dumps({"choices": [{"text": f"{MARKER} ü"}], "noghost": TOLD}),
    "stream": STREAM,
    "with a capsule": "--b\r\nContent-Type: text/event-stream\r\n\r\n"
    + STREAM
    + "\r\n--b\r\nContent-Type: x\r\n\r\nx\r\n--b--\r\n",
    "stream with a comment before": ": 000\n" + STREAM,
    "stream with crlf": STREAM.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_an_answer_is_read(form: str) -> None:
    assert parse_answer(form.encode()) == Kept(f"{MARKER} ü", seed=5, instance="ab" * 16)


def test_reasoning_and_calls_are_kept_but_for_their_ids() -> None:
    def call(**function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": 0, "id": "call_1", "function": function}]}

    message = {"content": None, "reasoning_content": MARKER} | call(name="f", arguments='{"a": 1}')
    whole = json.dumps({"choices": [{"message": message}]})
    pieces = [
        {"reasoning_content": MARKER},
        call(name="f", arguments=""),
        call(arguments='{"a"'),
        call(arguments=": 1}"),
    ]
    for answer in (whole, whole.replace("call_1", "call_2"), "".join(map(event, pieces))):
        assert parse_answer(answer.encode()) == Kept(f'{MARKER}f{{"a": 1}}')


def test_the_content_can_be_read_alone() -> None:
    called = {"tool_calls": [{"id": "call_1", "function": {"name": "f", "arguments": "{}"}}]}
    message = {"content": MARKER, "reasoning_content": "I think."} | called
    for answer in (json.dumps({"choices": [{"message": message}]}), event(message)):
        assert parse_answer(answer.encode(), content_only=True) == Kept(MARKER)
        assert parse_answer(answer.encode()) == Kept(f"I think.{MARKER}f{{}}")


def test_the_bytes_of_a_capsule_are_not_read() -> None:
    head = b"--b\r\nContent-Type: application/json\r\n\r\n"
    parts = head + FORMS["chat"].encode() + b"\r\n--b\r\nContent-Type: x\r\n\r\n\xff\x00\r\n--b--\r\n"
    assert parse_answer(parts) == parse_answer(FORMS["chat"].encode())


@pytest.mark.parametrize("text", [MARKER, '{"a": 1}', "data: x", "", "[1]", "data: {}"])
def test_anything_else_is_text(text: str) -> None:
    assert parse_answer(text.encode()) == Kept(text, plain=True)


@pytest.mark.parametrize(
    "data",
    [
        MARKER.encode() + b"\xff",
        json.dumps({"choices": MARKER}).encode(),
        json.dumps({"choices": [{"message": {"content": {MARKER: 1}}}]}).encode(),
        (event({"content": MARKER}) + 'data: {"error": {"message": "x"}}\n\n').encode(),
    ],
)
def test_an_answer_that_is_none_is_refused_and_not_repeated(data: bytes) -> None:
    with pytest.raises(ReplayError) as caught:
        parse_answer(data)
    assert MARKER not in str(caught.value)


@pytest.mark.parametrize("data", [MARKER.encode(), b'{"a": "' + MARKER.encode() + b'"}', b"\xff", b"[" * 100_000])
def test_a_request_that_is_none_is_refused_and_not_repeated(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "request").write_bytes(data)
    with pytest.raises(ReplayError) as caught:
        read_request(tmp_path / "request")
    assert MARKER not in str(caught.value)


def asked(receipt_seed: str = "-", answer_seed: int | None = None, key: bytes | None = None, **body: Any) -> Asked:
    return Asked(replace(birth(1), seed=receipt_seed), b"{}", body, Kept(MARKER, seed=answer_seed), key=key)


def test_where_a_seed_comes_from() -> None:
    assert seed_of(asked("7", 8, seed=9)) == (7, "receipt")
    assert seed_of(asked("-", 8, seed=9)) == (8, "answer")
    assert seed_of(asked("-", None, seed=9)) == (9, "request")
    assert seed_of(asked("-", None, temperature=0)) == (None, "none needed")
    with pytest.raises(ReplayError):
        seed_of(asked())


def test_nothing_kept_shows_in_a_repr() -> None:
    assert MARKER not in repr(asked(messages=[MARKER])) + repr(Kept(MARKER))


def test_a_commitment_that_is_not_there_cannot_be_checked() -> None:
    with pytest.raises(ReplayError):
        tie_request(asked(key=bytes(32)))
    assert tie_request(asked()) == "none"


@pytest.mark.parametrize(
    ("kept", "repeated", "at"),
    [("abc", "abc", None), ("abc", "abd", 2), ("abc", "ab", 2), ("ab", "abc", 2), ("", "a", 0), ("abc\n", "abc", 3)],
)
def test_where_two_answers_differ(kept: str, repeated: str, at: int | None) -> None:
    assert first_difference(Kept(kept), repeated) == at


def test_the_last_line_feed_of_a_text_file_is_the_editors() -> None:
    assert first_difference(Kept("abc\n", plain=True), "abc") is None
    assert first_difference(Kept("abc\n", plain=True), "abc\n") is None
    assert first_difference(Kept("abc\n\n", plain=True), "abc") == 3


@pytest.mark.parametrize("name", DECIDES)
def test_whatever_decides_and_differs_is_named_and_nothing_is_claimed(name: str) -> None:
    then, digest = birth(1), "55" * 32
    now = replace(then, **{name: {"threads": "2", "context": "64", "release": "9", "batch": "64-64"}.get(name, digest)})
    found = differences(then, now)
    assert [one.name for one in found] == [name]
    assert judge(None, then, found, anyway=False) == judge(3, then, found, anyway=False) == "cannot tell"
    assert judge(None, then, found, anyway=True) == "the same"


def test_free_threads_excuse_a_difference_and_fixed_ones_do_not() -> None:
    fixed = replace(birth(1), threads="1")
    assert judge(3, birth(1), (), anyway=False) == "cannot tell"
    assert judge(3, fixed, (), anyway=False) == "not the same"
    assert judge(None, birth(1), (), anyway=False) == "the same"


def test_a_chat_template_with_a_date_is_of_its_day(tmp_path: Path) -> None:
    dated, other = tmp_path / "dated.gguf", tmp_path / "other.gguf"
    dated.write_bytes(b"GGUF {{ strftime_now('%d') }}")
    other.write_bytes(b"GGUF {{ messages }}")
    then = birth(1)
    assert [one.name for one in another_day(then, dated)] == ["day"]
    assert another_day(then, other) == ()
