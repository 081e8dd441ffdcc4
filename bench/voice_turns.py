"""Turns of a conversation over /v1/realtime as a caller has them, timed outside: from the release of the key to the
first sound of the answer, with its parts.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from noghost.speech.frames import RATE_HZ
from noghost.speech.sentences import Sentences

STEP_S = 0.04  # of sound, sent at once
QUIET = 500  # of 32,768: a sample below that is silence
INSTRUCTIONS = "Answer in one short sentence."
PARTS = {
    "text": "release to text",
    "word": "text to first word",
    "sentence": "first word to first part of a sentence",
    "sound": "that to its first sound",
    "silence": "silence before its first voiced sample",
}
Turn = dict[str, float]  # a part -> seconds


def turns(url: str, sounds: Sequence[bytes]) -> Iterator[tuple[Turn, str]]:
    """(its parts, what was heard) of each sound, 16-bit PCM of RATE_HZ: each the first turn of a conversation."""
    for pcm in sounds:
        with connect(url.replace("http", "ws", 1) + "/v1/realtime", max_size=None) as socket:
            caller = Caller(socket)
            caller.begin()
            caller.speak(pcm)
            yield caller.listen()


@dataclass
class Caller:
    """By push-to-talk."""

    socket: ClientConnection

    def begin(self) -> None:
        """Set the conversation to it."""
        sound = {"input": {"turn_detection": None, "transcription": {"model": "default"}}}
        self._until("session.created")
        self._say("session.update", session={"type": "realtime", "instructions": INSTRUCTIONS, "audio": sound})
        self._until("session.updated")

    def speak(self, pcm: bytes) -> None:
        """As fast as it is spoken; then let the key go."""
        step = int(STEP_S * RATE_HZ) * 2
        began = time.perf_counter()
        for number, at in enumerate(range(0, len(pcm), step), 1):
            piece = pcm[at : at + step]
            self._say("input_audio_buffer.append", audio=base64.b64encode(piece).decode())
            time.sleep(max(0.0, began + number * STEP_S - time.perf_counter()))
        self._say("input_audio_buffer.commit")
        self._say("response.create")

    def listen(self) -> tuple[Turn, str]:
        """Until the first sound; the rest is cut off."""
        released = time.perf_counter()
        heard, text, heard_s = "", "", 0.0
        written: list[tuple[float, int]] = []  # when, and how long the answer's text was then
        while True:
            event = self._next()
            now_s = time.perf_counter() - released
            if event["type"] == "conversation.item.input_audio_transcription.completed":
                heard, heard_s = event["transcript"], now_s
            elif event["type"] == "response.output_audio_transcript.delta":
                text += event["delta"]
                written.append((now_s, len(text)))
            elif event["type"] == "response.output_audio.delta" and (at := voiced(event["delta"])) is not None:
                break
            elif event["type"] == "response.done":
                raise SystemExit("an answer had no sound")
        self._say("response.cancel")
        self._until("response.done")
        part = next(iter([*(sentences := Sentences(hasty=True)).add(text), *sentences.end()]))
        whole = text.index(part) + len(part)
        whole_s = next(when for when, length in written if length >= whole)
        word_s = written[0][0]
        return {
            "text": heard_s,
            "word": word_s - heard_s,
            "sentence": whole_s - word_s,
            "sound": now_s - whole_s,
            "silence": at / RATE_HZ,
        }, heard

    def _say(self, kind: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}))

    def _next(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.socket.recv())
        if event["type"] == "error":
            raise SystemExit(f"the service answered: {event['error']['message']}")
        return event

    def _until(self, kind: str) -> None:
        while self._next()["type"] != kind:
            pass


def voiced(sound: str) -> int | None:
    """The first sample that is not silence, in base64 of PCM."""
    loud = np.nonzero(np.abs(np.frombuffer(base64.b64decode(sound), "<i2").astype(int)) > QUIET)[0]
    return int(loud[0]) if len(loud) else None


def all_of(turn: Turn) -> float:
    """Seconds from the release to the first voiced sample."""
    return sum(turn[part] for part in PARTS)
