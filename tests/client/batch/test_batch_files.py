"""The files of a batch: what is refused before anything is asked, and that nothing which was answered is lost."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from noghost.client.batch.answers import Answers
from noghost.client.batch.node import Answer
from noghost.client.batch.requests import Requests
from noghost.client.batch.run import agreed
from noghost.errors import BatchError

MARKER = "marker-of-a-prompt"
ANSWER = Answer(200, "ab" * 16, {"text": "yes"})


def request(number: int, **more: Any) -> dict[str, Any]:
    body = {"model": "default", "messages": [{"role": "user", "content": f"{MARKER} {number}"}]}
    return {"custom_id": f"q{number}", "method": "POST", "url": "/v1/chat/completions", "body": body} | more


def text_of(*lines: object) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def asked(path: Path, text: str) -> Requests:
    path.write_text(text)
    return Requests(path)


@pytest.fixture
def three(tmp_path: Path) -> Requests:
    return asked(tmp_path / "in", text_of(*map(request, range(3))))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (text_of(request(0)) + "{no json}\n", "line 2: it is not JSON"),
        (text_of(request(0), request(1))[:-40], "line 2: the file ends in the middle of it"),
        (text_of(request(0), request(1), request(0)), "line 3: its custom_id stands in line 1 already"),
        (text_of(request(0, url="/v1/nothing")), "line 1: its method or url"),
        (text_of(request(0, method="GET")), "line 1: its method or url"),
        (text_of(request(0, custom_id=7)), "line 1: it is not a request"),
        (text_of(request(0, body=[MARKER])), "line 1: it is not a request"),
        (text_of([MARKER]), "line 1: it is not a request"),
        (text_of(request(0, body={"prompt": MARKER})), "line 1: its body names no model"),
        (text_of(request(0, body={"model": "m", "stream": True})), "line 1: its body asks for a stream"),
        ("[" * 100_000 + "\n", "line 1: it is not JSON"),
        ("\n\n", "there is no request in"),
    ],
)
def test_a_wrong_input_is_refused_by_its_line_without_a_word_of_it(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BatchError) as refused:
        asked(tmp_path / "in", text)
    assert words in refused.value.message
    assert str(tmp_path / "in") in refused.value.message
    assert refused.value.hint
    assert MARKER not in str(refused.value)


def test_blank_lines_and_a_missing_last_newline_are_no_fault(tmp_path: Path) -> None:
    requests = asked(tmp_path / "in", "\n" + text_of(request(0)) + "\n" + text_of(request(1)).rstrip())
    assert [line.number for line in requests.lines] == [2, 4]
    assert [json.loads(requests.body(line)) for line in requests.lines] == [request(0)["body"], request(1)["body"]]
    assert MARKER not in repr(requests.lines)


def test_a_line_that_was_changed_meanwhile_is_not_asked(three: Requests) -> None:
    three.path.write_text(three.path.read_text().replace(f"{MARKER} 1", f"{MARKER} 7"))
    assert json.loads(three.body(three.lines[0])) == request(0)["body"]
    with pytest.raises(BatchError, match="line 2: it was changed"):
        three.body(three.lines[1])


def written(path: Path, requests: Requests, *numbers: int) -> bytes:
    """An output with the answers to these lines."""
    answers = Answers(path, requests, resume=True)
    for number in numbers:
        answers.append(requests.lines[number], ANSWER)
    answers.close()
    return path.read_bytes()


def test_an_output_is_gone_on_with_and_a_cut_line_is_asked_again(three: Requests, tmp_path: Path) -> None:
    out = tmp_path / "out"
    whole = written(out, three, 2, 0)
    out.write_bytes(whole + whole[:50])
    answers = Answers(out, three, resume=True)
    assert set(answers.instances) == {"q2", "q0"}
    answers.append(three.lines[1], ANSWER)
    answers.close()
    assert out.read_bytes().startswith(whole)
    assert [json.loads(line)["custom_id"] for line in out.read_text().splitlines()] == ["q2", "q0", "q1"]
    told = json.loads(out.read_text().splitlines()[0])
    assert told["response"] == {"status_code": 200, "request_id": "ab" * 16, "body": {"text": "yes"}}
    assert told["error"] is None


def test_an_output_that_is_there_is_not_touched_without_resume(three: Requests, tmp_path: Path) -> None:
    before = written(tmp_path / "out", three, 1)
    with pytest.raises(BatchError, match=r"there is .* already") as refused:
        Answers(tmp_path / "out", three, resume=False)
    assert "--resume" in refused.value.hint
    assert (tmp_path / "out").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (text_of(request(9)), "line 1: it is no answer"),
        ("[1]\n", "line 1: it is no answer"),
        ("ANSWER ANSWER", "line 2: it answers a request that has its answer already"),
    ],
)
def test_what_is_no_output_of_this_batch_is_left_as_it_is(
    three: Requests, tmp_path: Path, text: str, words: str
) -> None:
    out = tmp_path / "out"
    out.write_text(text.replace("ANSWER ", "ANSWER").replace("ANSWER", written(out, three, 1).decode()))
    before = out.read_bytes()
    with pytest.raises(BatchError, match=words):
        Answers(out, three, resume=True)
    assert out.read_bytes() == before


def test_an_output_of_other_requests_with_the_same_names_is_refused(three: Requests, tmp_path: Path) -> None:
    written(tmp_path / "out", three, 0, 1)
    other = asked(tmp_path / "other", three.path.read_text().replace(f"{MARKER} 1", f"{MARKER} 7"))
    with pytest.raises(BatchError, match="line 2: it answers another request"):
        Answers(tmp_path / "out", other, resume=True)
    longer = asked(tmp_path / "longer", three.path.read_text() + text_of(request(3)))
    Answers(tmp_path / "out", longer, resume=True).close()  # control: more of the same is no other


def test_two_at_once_never_write_to_one_output(three: Requests, tmp_path: Path) -> None:
    first = Answers(tmp_path / "out", three, resume=False)
    with pytest.raises(BatchError, match="another process writes"):
        Answers(tmp_path / "out", three, resume=True)
    first.close()
    Answers(tmp_path / "out", three, resume=True).close()


@contextmanager
def room(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_whole_lines(three: Requests, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answers = Answers(out, three, resume=False)
    answers.append(three.lines[0], ANSWER)
    whole = out.read_bytes()
    with room(len(whole) + 30), pytest.raises(BatchError, match="could not write to") as refused:
        answers.append(three.lines[1], ANSWER)
    assert "--resume" in refused.value.hint
    assert out.read_bytes() == whole
    answers.append(three.lines[1], ANSWER)  # control: with room again it is there
    answers.close()
    assert len(out.read_text().splitlines()) == 2


def test_nothing_is_written_after_the_end(three: Requests, tmp_path: Path) -> None:
    answers = Answers(tmp_path / "out", three, resume=False)
    answers.close()
    answers.append(three.lines[0], ANSWER)
    assert (tmp_path / "out").read_bytes() == b""


def test_other_weights_under_one_name_are_told_with_both_nodes() -> None:
    same = {"a": {"m": "11" * 32, "other": "33" * 32}, "b": {"m": "11" * 32}}
    assert agreed(same) == {"m": "11" * 32, "other": "33" * 32}
    with pytest.raises(BatchError, match=r"b and a have other weights under the name m: 22.* and 11"):
        agreed({**same, "b": {"m": "22" * 32}})
