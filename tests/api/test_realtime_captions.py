"""noghost.caption on /v1/realtime, by a WebSocket client that knows nothing of it."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from api.conversing import QUIET
from running import Service
from speech.voiced import needs_voice, say, words

pytestmark = [needs_voice, pytest.mark.slow]
ASKED = "The train to the coast leaves at seven in the evening, and the bus stops in front of the library."
SECOND = 48_000  # bytes
ALONE: dict[str, Any] = {"transcription": {"model": "default"}, "turn_detection": None}
DETECTED: dict[str, Any] = {**ALONE, "turn_detection": {"type": "server_vad", "create_response": False}}
COMPLETED = "conversation.item.input_audio_transcription.completed"
Event = dict[str, Any]


@pytest.fixture(scope="module")
def asked(voiced: Service) -> bytes:
    return say(voiced, ASKED)


class Raw:
    """Every event that came is in `seen`."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seen: list[Event] = []

    def say(self, kind: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"type": kind, **fields}))

    def until(self, kind: str) -> Event:
        """The next event of that type."""
        while True:
            event: Event = json.loads(self.connection.recv())
            self.seen.append(event)
            if event["type"] == kind:
                return event

    def update(self, sound: dict[str, Any], **session: Any) -> Event:
        self.say("session.update", session={"type": "realtime", "audio": {"input": sound}, **session})
        return dict(self.until("session.updated")["session"])

    def speak(self, pcm: bytes) -> None:
        self.say("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    def captions(self) -> list[Event]:
        return [event for event in self.seen if event["type"] == "noghost.caption"]


@contextmanager
def talking(service: Service) -> Iterator[Raw]:
    with connect(service.url.replace("http", "ws") + "/v1/realtime") as connection:
        raw = Raw(connection)
        raw.until("session.created")
        yield raw


def speak_and_look(raw: Raw, pcm: bytes) -> None:
    """Wait for what is understood of it each second, while there are words in each."""
    ends = [2 * SECOND, 3 * SECOND, 4 * SECOND]
    for begin, end in zip([0, *ends], ends, strict=False):
        raw.speak(pcm[begin:end])
        raw.until("noghost.caption")
    raw.speak(pcm[ends[-1] :])


def check(raw: Raw, item_id: str) -> None:
    """What is firm grows, is said once, and is what was said."""
    captions = raw.captions()
    assert {event["item_id"] for event in captions} == {item_id}
    assert {frozenset(event) for event in captions} == {frozenset(("type", "event_id", "item_id", "firm", "open"))}
    firm = [event["firm"] for event in captions]
    assert all(after.startswith(before) for before, after in itertools.pairwise(firm))
    assert words(firm[-1])[:4] == words(ASKED)[:4]
    assert raw.seen.index(captions[-1]) < [event["type"] for event in raw.seen].index("input_audio_buffer.committed")


def test_while_a_key_is_held(voiced: Service, asked: bytes) -> None:
    with talking(voiced) as raw:
        assert raw.update(ALONE, noghost={"captions": True})["noghost"] == {"captions": True}
        speak_and_look(raw, asked)
        raw.say("input_audio_buffer.commit")
        item = raw.until("input_audio_buffer.committed")["item_id"]
        assert words(raw.until(COMPLETED)["transcript"])[:4] == words(ASKED)[:4]
        check(raw, item)


def test_while_somebody_speaks(voiced: Service, asked: bytes) -> None:
    """None before it is told that somebody does."""
    with talking(voiced) as raw:
        raw.update(DETECTED, noghost={"captions": True})
        raw.speak(QUIET)
        speak_and_look(raw, asked)
        raw.speak(QUIET)
        item = raw.until("input_audio_buffer.committed")["item_id"]
        raw.until(COMPLETED)
        check(raw, item)
    kinds = [event["type"] for event in raw.seen]
    assert kinds.index("input_audio_buffer.speech_started") < kinds.index("noghost.caption")


@pytest.mark.parametrize("settings", [{}, {"noghost": {"captions": False}}, {"noghost": {}}])
def test_nobody_gets_them_who_does_not_ask(voiced: Service, asked: bytes, settings: dict[str, Any]) -> None:
    with talking(voiced) as raw:
        assert ("noghost" in raw.update(ALONE, **settings)) is ("noghost" in settings)
        raw.speak(asked)
        raw.say("input_audio_buffer.commit")
        raw.until(COMPLETED)
        assert not raw.captions()


@pytest.mark.parametrize(
    ("wrong", "param"),
    [({"walrus": True}, "noghost"), ({"captions": 1}, "noghost.captions"), (True, "noghost")],
)
def test_anything_else_is_an_error(voiced: Service, wrong: Any, param: str) -> None:
    with talking(voiced) as raw:
        raw.say("session.update", session={"type": "realtime", "noghost": wrong})
        assert raw.until("error")["error"]["param"] == param
        assert "noghost" not in raw.update(ALONE)
