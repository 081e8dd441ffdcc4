"""/v1/realtime, through OpenAI's client, and what it refuses."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.conversing import PUSH_TO_TALK, QUIET, Talk, conversing
from running import PYTHON, Service, private_environment, wait_for
from speech.voiced import is_heard, needs_voice, say, speaking_service, voices, words

pytestmark = [
    needs_voice,
    pytest.mark.slow,
    # websockets 17 says so to OpenAI's client, which calls it in the old way
    pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning"),
]
TEXT_ALONE = ["text"]
ASKED = "What is the capital of France?"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def asked(voiced: Service) -> bytes:
    """ASKED, spoken: PCM of 24 kHz."""
    return say(voiced, ASKED)


def test_a_turn_by_voice_activity(voiced: Service, asked: bytes) -> None:
    """The order of events is OpenAI's."""
    settings = {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}
    with conversing(voiced, audio=settings, instructions="Answer in one short sentence.", tracing="auto") as talk:
        talk.seen.clear()
        talk.speak(QUIET + asked + QUIET)
        done = talk.until("response.done")["response"]
    transcription = "conversation.item.input_audio_transcription"
    assert talk.types()[:6] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{transcription}.delta",
    ]
    assert [one for one in talk.types()[6:] if not one.endswith("delta")] == [
        f"{transcription}.completed",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    started, stopped = talk.seen[0], talk.seen[1]
    assert 300 <= started["audio_start_ms"] <= 1300
    assert len(asked) / 48 + 1000 <= stopped["audio_end_ms"] <= len(asked) / 48 + 2000
    said = next(event["transcript"] for event in talk.seen if event["type"] == f"{transcription}.completed")
    assert words(said) == words(ASKED)
    assert done["output"][0]["content"][0]["transcript"]
    assert done["status"] in ("completed", "incomplete")
    assert done["usage"]["output_tokens"] > 0


def test_the_sound_is_the_transcript(voiced: Service) -> None:
    """A small model does not always answer in English, which alone can be heard here: of one of a few answers."""
    with conversing(voiced) as talk:
        assert any(is_its_transcript(voiced, talk) for _ in range(5))


def is_its_transcript(service: Service, talk: Talk) -> bool:
    """Whether an answer sounds as it is written."""
    talk.write("Please describe the weather in one short sentence.")
    talk.seen.clear()
    written = talk.answer()["output"][0]["content"][0]["transcript"]
    return is_heard(service, talk.sound(), written)


def test_push_to_talk(voiced: Service, asked: bytes) -> None:
    with conversing(voiced, audio=PUSH_TO_TALK, output_modalities=TEXT_ALONE) as talk:
        talk.speak(asked)
        talk.say("input_audio_buffer.commit")
        committed = talk.until("input_audio_buffer.committed")
        answer = talk.answer()
        talk.say("conversation.item.retrieve", item_id=committed["item_id"])
        item = talk.until("conversation.item.retrieved")["item"]
    assert words(item["content"][0]["transcript"]) == words(ASKED)
    assert answer["output"][0]["content"][0]["text"]
    assert "input_audio_buffer.speech_started" not in talk.types()


def test_two_turns_at_once(voiced: Service, asked: bytes) -> None:
    """What was appended after the end of the first turn is the second's."""
    detection = {"type": "server_vad", "create_response": False, "silence_duration_ms": 300}
    with conversing(voiced, audio={"input": {**PUSH_TO_TALK["input"], "turn_detection": detection}}) as talk:
        talk.speak(asked + QUIET + asked + QUIET)
        said = [talk.until("conversation.item.input_audio_transcription.completed") for _ in range(2)]
    assert [words(one["transcript"]) for one in said] == [words(ASKED)] * 2
    assert "response.created" not in talk.types()


def test_speech_interrupts_and_truncation_cuts(voiced: Service, asked: bytes) -> None:
    with conversing(voiced) as talk:
        talk.write("Tell me a very long story about a fox.")
        talk.say("response.create")
        item = talk.until("response.output_audio.delta")["item_id"]
        talk.speak(asked)
        talk.until("input_audio_buffer.speech_started")
        done = talk.until("response.done")["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        before = done["output"][0]["content"][0]["transcript"]
        talk.say("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=700)
        talk.until("conversation.item.truncated")
        talk.say("conversation.item.retrieve", item_id=item)
        after = talk.until("conversation.item.retrieved")["item"]["content"][0]["transcript"]
    assert 0 < len(after.split()) < len(before.split())
    assert before.startswith(after)


def test_a_cancelled_answer_ends_its_processes(voiced: Service) -> None:
    with conversing(voiced, audio=PUSH_TO_TALK, max_output_tokens="inf") as talk:
        talk.write("Tell me a very long story about a fox.")
        talk.say("response.create")
        talk.until("response.output_audio.delta")
        assert voices(voiced)
        talk.say("response.cancel")
        assert talk.until("response.done")["response"]["status_details"]["reason"] == "client_cancelled"
        wait_for(lambda: not voices(voiced), 10, "the mouth to end")
        wait_for(lambda: len(voiced.instances()) == 1, 10, "the mind to end, and those of earlier tests")
        assert talk.answer(output_modalities=TEXT_ALONE, max_output_tokens=4)["status"] == "incomplete"


def test_a_function_is_called(voiced: Service) -> None:
    with conversing(voiced, tools=[TOOL], output_modalities=TEXT_ALONE) as talk:
        talk.write("What is the weather in Paris?")
        answer = talk.answer(tool_choice={"type": "function", "name": "get_weather"})
        call = answer["output"][0]
        assert (call["type"], call["name"]) == ("function_call", "get_weather")
        assert set(json.loads(call["arguments"])) == {"city"}
        assert "response.function_call_arguments.delta" in talk.types()
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"sky": "clear"}'}
        talk.say("conversation.item.create", item=result)
        talk.until("conversation.item.done")
        assert talk.answer(tool_choice="none")["output"][0]["content"][0]["text"]


def test_items_and_answers_beside_the_conversation(voiced: Service, asked: bytes) -> None:
    with conversing(voiced, output_modalities=TEXT_ALONE) as talk:
        first = talk.write("My name is Ada.")
        sound = {"type": "input_audio", "audio": base64.b64encode(asked).decode()}
        talk.say(
            "conversation.item.create",
            previous_item_id="root",
            item={"type": "message", "role": "user", "content": [sound]},
        )
        told = talk.until("conversation.item.added")
        assert told["previous_item_id"] is None
        assert words(told["item"]["content"][0]["transcript"]) == words(ASKED)
        assert "audio" not in told["item"]["content"][0]
        talk.say("conversation.item.delete", item_id=first)
        talk.until("conversation.item.deleted")
        aside = talk.answer(
            conversation="none",
            metadata={"topic": "aside"},
            input=[{"type": "item_reference", "id": told["item"]["id"]}],
        )
        assert (aside["conversation_id"], aside["metadata"]) == (None, {"topic": "aside"})
        talk.say("conversation.item.retrieve", item_id=aside["output"][0]["id"])
        assert talk.error()["code"] == "item_not_found"


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_telephone_sound(voiced: Service, kind: str) -> None:
    """What the mouth says in G.711 the ear hears."""
    both = {"format": {"type": kind}}
    with conversing(voiced, audio={"input": {**both, **PUSH_TO_TALK["input"]}, "output": both}) as talk:
        talk.write("Say hello.")
        answer = talk.answer()
        talk.speak(talk.sound())
        talk.say("input_audio_buffer.commit")
        said = talk.until("conversation.item.input_audio_transcription.completed")["transcript"]
    transcript = set(words(answer["output"][0]["content"][0]["transcript"]))
    assert len(set(words(said)) & transcript) >= len(transcript) // 2


def test_sound_without_speech_is_no_turn(voiced: Service) -> None:
    with conversing(voiced, audio={"input": PUSH_TO_TALK["input"]}) as talk:
        talk.speak(3 * QUIET)
        talk.say("input_audio_buffer.commit")
        assert talk.until("conversation.item.input_audio_transcription.completed")["transcript"] == ""
        talk.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}})
        talk.speak(3 * QUIET)
        talk.say("input_audio_buffer.clear")
        talk.until("input_audio_buffer.cleared")
    assert "input_audio_buffer.speech_started" not in talk.types()


BAD: list[tuple[str, dict[str, Any], str | None]] = [
    ("purple.walrus", {}, "type"),
    ("input_audio_buffer.append", {"audio": "no base64!"}, "audio"),
    ("input_audio_buffer.append", {"audio": 7}, "audio"),
    ("input_audio_buffer.commit", {}, None),
    ("session.update", {"session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}}, None),
    ("session.update", {"session": {"type": "transcription"}}, "type"),
    ("session.update", {"session": {"walrus": 1}}, None),
    ("session.update", {"session": {"audio": {"output": {"voice": "walrus"}}}}, "voice"),
    ("session.update", {"session": {"model": "walrus"}}, "model"),
    ("conversation.item.truncate", {"item_id": "walrus", "content_index": 0, "audio_end_ms": 0}, "item_id"),
    ("conversation.item.create", {"item": {"type": "message", "role": "user"}}, None),
    ("response.cancel", {}, None),
]


def test_what_is_wrong_is_an_error_and_the_conversation_goes_on(voiced: Service) -> None:
    with conversing(voiced, output_modalities=TEXT_ALONE) as talk:
        for number, (kind, fields, param) in enumerate(BAD):
            talk.say(kind, event_id=f"mine_{number}", **fields)
            error = talk.error()
            assert error["event_id"] == f"mine_{number}"
            assert error["type"] == "invalid_request_error"
            assert param is None or error["param"].endswith(param)
            assert "walrus" not in error["message"]
        for raw in ("{", "[]", b"\0\1"):
            talk.connection._connection.send(raw)
            assert talk.error()["code"] == "invalid_json"
        talk.write("Say yes.")
        assert talk.answer(max_output_tokens=3)["output"]


def test_one_answer_at_a_time(voiced: Service) -> None:
    with conversing(voiced) as talk:
        talk.write("Tell me a very long story.")
        talk.say("response.create")
        talk.say("response.create")
        assert talk.error()["code"] == "conversation_already_has_active_response"
        talk.say("response.cancel")
        talk.until("response.done")


def test_who_may_not_come_in(voiced: Service) -> None:
    address = voiced.url.replace("http", "ws") + "/v1/realtime"
    for path, origin, status in (("?model=walrus", None, 404), ("", "https://walrus.example", 403)):
        with pytest.raises(InvalidStatus) as refused, connect(address + path, origin=origin):
            pass
        assert refused.value.response.status_code == status
        assert b"error" in refused.value.response.body
    with connect(address, origin=voiced.url, subprotocols=["realtime", "openai-insecure-api-key.none"]) as own:
        assert own.subprotocol == "realtime"
        assert json.loads(own.recv())["type"] == "session.created"


def test_every_process_of_a_conversation_ends_and_has_a_record(voiced: Service, asked: bytes) -> None:
    """Of its own: the conversation, the ear, the mind and the mouth. None of them tried what it may not."""

    def records() -> list[dict[str, Any]]:
        return list(json.loads(voiced.noghost("receipts", "--json").stdout))

    wait_for(lambda: not voices(voiced) and not voiced.instances(), 10, "earlier ones to end")
    before = len(records())
    with conversing(voiced, audio=PUSH_TO_TALK) as talk:
        talk.speak(asked)
        talk.say("input_audio_buffer.commit")
        talk.answer()
    wait_for(lambda: not voices(voiced) and not voiced.instances(), 10, "all of it to end")
    assert [row["ended"]["refused_calls"] for row in records()[before:]] == [0] * 4


def test_over_tls_with_a_key_from_a_page_elsewhere(tmp_path: Path) -> None:
    command = [PYTHON, "-m", "noghost.cli.main", "keys", "add", "page"]
    made = subprocess.run(command, env=private_environment(tmp_path), capture_output=True, text=True, check=True)
    key = made.stdout.strip()
    with speaking_service(tmp_path, "--tls", "--keys") as service:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        address = service.url.replace("http", "ws") + "/v1/realtime"
        page: dict[str, Any] = {"ssl": context, "origin": "https://elsewhere.example"}
        with pytest.raises(InvalidStatus) as refused, connect(address, subprotocols=["realtime"], **page):
            pass
        assert refused.value.response.status_code == 401
        with connect(address, subprotocols=["realtime", f"openai-insecure-api-key.{key}"], **page) as own:
            assert (own.subprotocol, json.loads(own.recv())["type"]) == ("realtime", "session.created")
            own.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"], "input": []}}))
            seen = [json.loads(own.recv())["type"] for _ in range(2)]
    assert seen == ["response.created", "response.done"]
