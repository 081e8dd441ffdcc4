"""The commitment to the answer: the receipt's end holds an HMAC over exactly what was sent, or a 400 says why not."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import httpx
import pytest

from noghost.client.claim import answer_key, body_of, check, headers_for, new_key
from noghost.client.commitment import commitment
from noghost.ledger.entry import Ended
from noghost.ledger.receipt import Receipt, Verified
from promises.repeating import PATIENCE_S, ended_receipt, post
from running import Service, wait_for

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
KEY = "ab" * 32
MARKER = "velorimat"
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Tell me of the sea."}], "max_tokens": 12, "seed": 7}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


def verified(service: Service, invocation: str) -> Verified:
    return Receipt.parse(ended_receipt(service, invocation)).verify()


def ended(service: Service, answer: httpx.Response) -> Ended:
    found = verified(service, answer.headers["noghost-instance"]).ended
    assert found is not None
    return found


def text_of(answer: httpx.Response) -> str:
    """What its choices say, whole or streamed."""
    assert answer.status_code == 200, answer.text
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: {")]
    choices = [choice for line in lines or [answer.text] for choice in json.loads(line)["choices"]]
    said = [choice.get("message") or choice.get("delta") or choice for choice in choices]
    return "".join(one.get("content") or one.get("text") or "" for one in said)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_receipt_is_of_question_and_answer_and_of_no_other(service: Service, stream: bool) -> None:
    key, options = new_key(), {name: value for name, value in ASKED.items() if name != "messages"} | {"stream": stream}
    body = body_of(ASKED["messages"], options)
    answer = post(service, body, CHAT, **headers_for(key, body))
    text, receipt = text_of(answer), verified(service, answer.headers["noghost-instance"])
    assert len(text) > 10
    assert check(receipt, key, body, text).holds
    assert check(receipt, key, body, text + " ").answer == "broken"
    assert check(receipt, key, body + b" ", text).question == "broken"
    other = check(receipt, new_key(), body, text)
    assert (other.question, other.answer) == ("broken", "broken")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_text_completion_with_its_echo_in_utf_8(service: Service, stream: bool) -> None:
    asked = {"prompt": "Größe – 大きさ:", "echo": True, "max_tokens": 4, "stream": stream, "logprobs": 1}
    answer = post(service, json.dumps(asked).encode(), TEXT, **{"noghost-answer-key": KEY})
    text = text_of(answer)
    assert text.startswith("Größe – 大きさ:")
    end = ended(service, answer)
    assert end.commitment == commitment(bytes.fromhex(KEY), text.encode())
    assert end.refused_calls == 0, "an HMAC needs nothing that was not there before the fork"


def test_tools_that_may_not_be_called_leave_one_text(service: Service) -> None:
    body = json.dumps(ASKED | {"tools": TOOLS, "tool_choice": "none", "n": 1}).encode()
    answer = post(service, body, CHAT, **{"noghost-answer-key": KEY})
    assert ended(service, answer).commitment == commitment(bytes.fromhex(KEY), text_of(answer).encode())


def test_nobody_who_does_not_ask_gets_one(service: Service) -> None:
    answer = post(service, json.dumps(ASKED).encode(), CHAT, **{"noghost-commitment": KEY})
    assert ended(service, answer).commitment == "-"


@pytest.mark.parametrize("sent", [["00"], ["AB" * 32], [MARKER], [KEY, KEY], [""]])
def test_what_is_no_key_is_refused_and_not_repeated(service: Service, sent: list[str]) -> None:
    headers = [("content-type", "application/json"), *(("noghost-answer-key", value) for value in sent)]
    answer = httpx.post(service.url + CHAT, json=ASKED, headers=headers, timeout=PATIENCE_S, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "noghost-answer-key")
    assert MARKER not in answer.text + service.log


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, ASKED | {"n": 2}),
        (CHAT, ASKED | {"tools": TOOLS}),
        (TEXT, {"prompt": "Once", "n": 3}),
        ("/v1/responses", {"input": "Hi"}),
        ("/v1/messages", ASKED),
        ("/v1/embeddings", {"input": "Hi"}),
    ],
    ids=["choices", "tools", "choices of text", "responses", "messages", "embeddings"],
)
def test_an_answer_that_is_not_one_text_is_refused(service: Service, path: str, body: dict[str, Any]) -> None:
    answer = post(service, json.dumps(body).encode(), path, **{"noghost-answer-key": KEY})
    assert answer.status_code == 400
    assert "noghost-answer-key" in answer.json()["error"]["message"]
    without = post(service, json.dumps(body | {"seed": 1}).encode(), path)
    assert without.status_code == 200, "control: it is the header that is refused"


def begun(service: Service, body: dict[str, Any], ending: int | None) -> tuple[str, str]:
    """(invocation, what had come) of a stream whose caller leaves, or whose instance is killed."""
    headers, came = {"noghost-answer-key": KEY}, ""
    with httpx.stream("POST", service.url + CHAT, json=body, headers=headers, timeout=PATIENCE_S) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                came += json.loads(line.removeprefix("data: "))["choices"][0]["delta"].get("content") or ""
            if len(came) > 20:  # the loop's end closes the connection
                if ending is not None:
                    wait_for(lambda: len(service.instances()) == 1, PATIENCE_S, "those before to end")
                    os.kill(service.instances()[0], ending)
                break
    return answer.headers["noghost-instance"], came


@pytest.mark.slow
def test_an_answer_that_broke_off_is_committed_to_as_far_as_it_went(service: Service) -> None:
    """The same seed and thread tell what the whole answer would have been."""
    asked = ASKED | {"noghost": {"threads": 1}, "ignore_eos": True, "stream": True}
    whole = text_of(post(service, json.dumps(asked | {"max_tokens": 240}).encode(), CHAT))
    invocation, came = begun(service, asked | {"max_tokens": 240}, None)
    end = verified(service, invocation).ended
    assert end is not None
    assert (end.outcome, whole.startswith(came)) == ("disconnected", True)
    key = bytes.fromhex(KEY)
    went = [at for at in range(len(whole) + 1) if commitment(key, whole[:at].encode()) == end.commitment]
    assert len(went) == 1
    assert went[0] >= len(came)


@pytest.mark.slow
def test_one_that_was_killed_could_say_nothing(service: Service) -> None:
    asked = ASKED | {"ignore_eos": True, "stream": True, "max_tokens": 1500}
    end = verified(service, begun(service, asked, signal.SIGKILL)[0]).ended
    assert end is not None
    assert (end.outcome, end.commitment) == ("killed", "-")


def test_the_service_is_given_another_key_than_the_one_that_is_kept() -> None:
    """RFC 4231's HMAC over the label; the turn's own key is in neither header."""
    key = bytes(range(32))
    headers = headers_for(key, b"{}")
    assert headers["noghost-answer-key"] == commitment(key, b"noghost answer v1") == answer_key(key).hex()
    assert key.hex() not in headers.values()
    assert body_of([{"role": "user", "content": "Größe"}], {"seed": 1, "model": "default"}) == (
        '{"messages":[{"content":"Größe","role":"user"}],"model":"default","seed":1}'.encode()
    )
