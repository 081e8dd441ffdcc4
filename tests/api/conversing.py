"""A conversation over /v1/realtime with OpenAI's client; every event that comes is of its types, with no field more."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openai import OpenAI
from openai.resources.realtime.realtime import RealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from running import Service

EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
PIECE_BYTES = 9_600
QUIET = bytes(48_000)  # 1 s
SHORT = 60
Event = dict[str, Any]


class Talk:
    """What was said so far is in `seen`."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self.connection = connection
        self.seen: list[Event] = []

    def next(self) -> Event:
        raw = json.loads(self.connection.recv_bytes())
        event = EVENT.validate_python(raw)
        assert not event.model_extra, f"{raw['type']} has fields that OpenAI's has not"
        self.seen.append(raw)
        return dict(raw)

    def until(self, kind: str) -> Event:
        """The next event of that type."""
        while (event := self.next())["type"] != kind:
            assert event["type"] != "error" or kind == "error", event
        return event

    def say(self, kind: str, **fields: Any) -> None:
        self.connection.send({"type": kind, **fields})  # type: ignore[misc]

    def update(self, **fields: Any) -> Event:
        self.say("session.update", session={"type": "realtime", **fields})
        return dict(self.until("session.updated")["session"])

    def error(self) -> Event:
        return dict(self.until("error")["error"])

    def speak(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), PIECE_BYTES):
            self.say("input_audio_buffer.append", audio=base64.b64encode(pcm[at : at + PIECE_BYTES]).decode())

    def write(self, text: str) -> str:
        """A message; its name."""
        content = [{"type": "input_text", "text": text}]
        self.say("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        return str(self.until("conversation.item.done")["item"]["id"])

    def answer(self, **response: Any) -> Event:
        """A whole one."""
        self.say("response.create", response=response)
        return dict(self.until("response.done")["response"])

    def types(self) -> list[str]:
        """Of what was seen, each run of deltas once."""
        kinds = [event["type"] for event in self.seen]
        return [kind for before, kind in zip(["", *kinds], kinds, strict=False) if kind != before]

    def sound(self) -> bytes:
        return b"".join(
            base64.b64decode(event["delta"]) for event in self.seen if event["type"] == "response.output_audio.delta"
        )


def client_of(service: Service) -> OpenAI:
    """OpenAI's own; it retries nothing, so that every fault shows."""
    return OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)


@contextmanager
def conversing(service: Service, **settings: Any) -> Iterator[Talk]:
    with client_of(service).realtime.connect(model="gpt-realtime") as connection:
        talk = Talk(connection)
        talk.until("session.created")
        talk.update(**{"max_output_tokens": SHORT} | settings)  # a small model goes on and on
        yield talk


PUSH_TO_TALK = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
