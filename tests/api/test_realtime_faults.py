"""/v1/realtime when something is amiss: too long, too old, killed in its midst, with a caller that misbehaves."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from api.conversing import PUSH_TO_TALK, QUIET, Talk, conversing
from promises.hunting_sound import outcomes, slow_speech, until_gone
from running import Service, children, state, title, wait_for
from speech.voiced import needs_voice, parent_of, say, speaking_service, words

pytestmark = [
    needs_voice,
    pytest.mark.slow,
    # websockets 17 says so to OpenAI's client, which calls it in the old way
    pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning"),
]
TEXT_ALONE = ["text"]
CONTEXT = 512
ASKED = "What is the capital of France?"
GONE_S = 20.0
WELCOME = "GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"


@pytest.fixture(scope="module")
def voiced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    limits = ("stall_s=2", "session_s=120", "invocation_s=60")
    arguments = [one for limit in limits for one in ("--limit", limit)]
    with speaking_service(tmp_path_factory.mktemp("faults"), "--context", str(CONTEXT), *arguments) as service:
        yield service


@pytest.fixture(scope="module")
def asked(voiced: Service) -> bytes:
    """ASKED, spoken: PCM of 24 kHz."""
    return say(voiced, ASKED)


# --- too long -------------------------------------------------------------------------------------------------


def fill(talk: Talk) -> list[str]:
    """More than the context holds; the items' names."""
    return [talk.write(f"Fact {number}: " + "the walrus sleeps at noon. " * 6) for number in range(20)]


def used(talk: Talk) -> int:
    done = talk.answer(max_output_tokens=8)
    assert done["status"] in ("completed", "incomplete"), done["status_details"]
    return int(done["usage"]["input_tokens"])


def test_a_conversation_that_outgrew_the_context_goes_on_without_its_oldest_items(voiced: Service) -> None:
    with conversing(voiced, output_modalities=TEXT_ALONE, truncation="disabled", instructions="Be short.") as talk:
        names = fill(talk)
        done = talk.answer(max_output_tokens=8)
        assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", "context_length_exceeded")
        assert talk.update(truncation="auto")["truncation"] == "auto"
        most = CONTEXT - 8
        assert most - 80 < used(talk) <= most, "as few are left out as need be"
        talk.write("What is the capital of France?")
        assert used(talk) <= most
        half = {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 200}}
        assert talk.update(truncation=half)["truncation"] == half
        assert used(talk) < 150
        talk.say("conversation.item.retrieve", item_id=names[0])
        assert talk.until("conversation.item.retrieved")["item"]["id"] == names[0], "it is kept all the same"


def test_what_one_item_alone_outgrows_is_an_error(voiced: Service) -> None:
    with conversing(voiced, output_modalities=TEXT_ALONE) as talk:
        item = talk.write("the walrus sleeps at noon. " * 200)
        assert talk.answer()["status_details"]["error"]["code"] == "context_length_exceeded"
        talk.say("conversation.item.delete", item_id=item)
        talk.until("conversation.item.deleted")
        talk.write("Say yes.")
        assert used(talk) < 100


def test_a_call_goes_with_its_result(voiced: Service) -> None:
    with conversing(voiced, output_modalities=TEXT_ALONE) as talk:
        for number in range(12):
            talk.write(f"What is the weather in city {number}?")
            call = {"type": "function_call", "call_id": f"call_{number}", "name": "weather", "arguments": "{}"}
            output = {"type": "function_call_output", "call_id": f"call_{number}", "output": "It rains, and rains." * 3}
            for item in (call, output):
                talk.say("conversation.item.create", item=item)
                talk.until("conversation.item.done")
        assert used(talk) <= CONTEXT - 8


# --- too old --------------------------------------------------------------------------------------------------


def test_a_conversation_ends_with_a_word_when_its_time_is_over(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Later than a request would."""
    limits = ("--limit", "invocation_s=1", "--limit", "session_s=4")
    with speaking_service(tmp_path_factory.mktemp("short"), *limits) as service:
        with connect(service.url.replace("http", "ws") + "/v1/realtime") as talk:
            events = [json.loads(event) for event in talk]
        assert [event["type"] for event in events] == ["session.created", "error"]
        assert events[-1]["error"]["code"] == "session_expired"
        assert talk.protocol.close_code == 1000
        until_gone(service)
        assert outcomes(service) == [("timeout", "verified")]


# --- killed in its midst --------------------------------------------------------------------------------------


def who(service: Service, name: str) -> list[int]:
    """All that do this now."""
    parents = (service.pid, parent_of(service, "ear"), parent_of(service, "mouth"))
    found = [pid for one in parents for pid in children(one) if title(pid) == f"noghost: {name}"]
    assert found, f"somebody is {name}"
    return found


def kill(service: Service, name: str) -> None:
    for pid in who(service, name):
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: state(pid) in ("", "Z"), GONE_S, f"one that is {name} to be gone")


def test_an_ear_that_is_killed_is_an_error_and_the_next_turn_is_heard(voiced: Service, asked: bytes) -> None:
    with conversing(voiced, audio=PUSH_TO_TALK) as talk:
        talk.speak(asked[:24_000])
        talk.update()
        kill(voiced, "hearing")
        assert talk.error()["code"] == "voice_failed"
        talk.speak(asked)
        talk.say("input_audio_buffer.commit")
        heard = talk.until("conversation.item.input_audio_transcription.completed")["transcript"]
        assert "france" in words(heard)


def test_an_ear_has_one_thread(voiced: Service, asked: bytes) -> None:
    """The libraries that hear would start more: in a child of a parent that has them they would be missing."""
    with conversing(voiced) as talk:
        talk.speak(QUIET + asked)
        talk.until("input_audio_buffer.speech_started")
        for pid in (parent_of(voiced, "ear"), *who(voiced, "hearing")):
            assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


@pytest.mark.parametrize("name", ["thinking", "speaking"])
def test_a_mind_or_a_mouth_that_is_killed_fails_the_answer_alone(voiced: Service, name: str) -> None:
    with conversing(voiced, max_output_tokens=400) as talk:
        talk.write("Tell me a very long story.")
        talk.say("response.create")
        talk.until("response.output_audio_transcript.delta")
        kill(voiced, name)
        done = talk.until("response.done")["response"]
        assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", "voice_failed")
        assert talk.answer(output_modalities=TEXT_ALONE, max_output_tokens=8)["output"]
        assert talk.answer(max_output_tokens=8)["status"] in ("completed", "incomplete")


# --- who does not behave --------------------------------------------------------------------------------------


def test_noise_is_no_word(voiced: Service) -> None:
    with conversing(voiced, audio=PUSH_TO_TALK) as talk:
        talk.speak(random.Random(3).randbytes(3 * 48_000))
        talk.say("input_audio_buffer.commit")
        assert talk.until("conversation.item.input_audio_transcription.completed")["transcript"] == ""


@contextmanager
def by_hand(service: Service) -> Iterator[socket.socket]:
    """A WebSocket of which nothing more is read than its beginning."""
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", service.port))
        caller.sendall((WELCOME + KEY).encode())
        assert caller.recv(12) == b"HTTP/1.1 101"
        yield caller


def text_frame(event: Any) -> bytes:
    """With the mask that changes nothing; its length in as few bytes as can be, as RFC 6455 wants it."""
    data = json.dumps(event).encode()
    if len(data) < 126:
        length = bytes([0x80 | len(data)])
    else:
        length = b"\xfe" + len(data).to_bytes(2) if len(data) < 1 << 16 else b"\xff" + len(data).to_bytes(8)
    return b"\x81" + length + bytes(4) + data


def test_half_an_event_is_nothing(voiced: Service) -> None:
    until_gone(voiced)
    before = len(outcomes(voiced))
    with by_hand(voiced) as caller:
        whole = text_frame({"type": "conversation.item.create", "item": "x" * 1000})
        caller.sendall(whole[:500])
    until_gone(voiced)
    assert outcomes(voiced)[before:] == [("answered", "verified")]


def test_a_caller_that_reads_nothing_is_left(voiced: Service) -> None:
    """It asks for 1 MB again and again: what it does not take is not made."""
    until_gone(voiced)
    before = len(outcomes(voiced))
    item = {"type": "message", "id": "large", "role": "user", "content": [{"type": "input_text", "text": "x" * 10**6}]}
    ask = text_frame({"type": "conversation.item.retrieve", "item_id": "large"})
    with by_hand(voiced) as caller:
        caller.sendall(text_frame({"type": "conversation.item.create", "item": item}) + 400 * ask)
        until_gone(voiced)
    assert outcomes(voiced)[before:] == [("timeout", "verified")]


def test_a_caller_that_does_not_listen_is_left(voiced: Service) -> None:
    """What is spoken waits in the arena, where there is room for 20 s of it, and its mouth with it."""
    until_gone(voiced)
    before = len(outcomes(voiced))
    with slow_speech(voiced):
        until_gone(voiced)
    assert sorted(outcomes(voiced)[before:]) == [("killed", "verified"), ("timeout", "verified")]


def test_an_event_that_is_too_large_ends_the_conversation_in_words(voiced: Service) -> None:
    with connect(voiced.url.replace("http", "ws") + "/v1/realtime", max_size=None) as talk:
        talk.recv()
        with contextlib.suppress(ConnectionClosed):  # in the midst of it
            talk.send(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * (17 << 20)}))
        with pytest.raises(ConnectionClosed):
            talk.recv()
    assert talk.protocol.close_code in (1009, 1006), "1006: the rest of it destroyed the word"


def test_half_of_a_sample_waits_for_its_other_half(voiced: Service, asked: bytes) -> None:
    with conversing(voiced, audio=PUSH_TO_TALK) as talk:
        for at in range(0, len(asked), 4_801):
            talk.say("input_audio_buffer.append", audio=base64.b64encode(asked[at : at + 4_801]).decode())
        talk.say("input_audio_buffer.commit")
        heard = talk.until("conversation.item.input_audio_transcription.completed")["transcript"]
        assert "france" in words(heard)
