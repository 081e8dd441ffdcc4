"""What a session is set to: as the caller sees it, changed by its updates. In an instance."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from noghost.api.audio_schema import EARS, speaker_of
from noghost.api.errors import validated
from noghost.api.realtime.schema import Session, SoundFormat, TurnDetection
from noghost.errors import RequestError
from noghost.speech.frames import Attention, Format, Memory

FORMATS = {"audio/pcm": Format.PCM, "audio/pcmu": Format.ULAW, "audio/pcma": Format.ALAW}
RATES = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
# How long a silence ends a turn that is to end where its sense does: there is no model of that here.
SEMANTIC_MS = {"low": 1200, "medium": 600, "auto": 600, "high": 300}
THEIRS = re.compile(r"gpt-[\w.-]*(realtime|audio)[\w.-]*")  # names that OpenAI's clients have in them: the one here
NESTED = ("audio", "input", "output")


def first_session(name: str, model: str, voice: str, seconds: int) -> Session:
    """As it is before any update."""
    detection = TurnDetection(type="server_vad").model_dump(exclude={"eagerness"})
    audio = {"input": {"turn_detection": detection}, "output": {"voice": voice}}
    return validated(Session, {"id": name, "model": model, "audio": audio, "expires_at": int(time.time()) + seconds})


def updated(session: Session, changes: Mapping[str, Any], speakers: Sequence[str]) -> Session:
    """With what an update says. RequestError for what cannot be; nothing is changed then."""
    if changes.get("type", "realtime") != "realtime":
        raise RequestError("there are sessions of the type realtime only", code="invalid_value", param="type")
    fixed = {"id", "object", "expires_at", "model"}
    kept = {name: value for name, value in changes.items() if name not in fixed}
    model = changes.get("model")
    if model not in (None, "default", session.model) and not (isinstance(model, str) and THEIRS.fullmatch(model)):
        raise RequestError("the model is chosen with the connection", code="invalid_value", param="model")
    found = validated(Session, merged(session.model_dump(exclude_unset=True), kept))
    speaker_of(found.audio.output.voice, speakers)
    heard = found.audio.input.transcription
    if heard is not None and not EARS.fullmatch(heard.model):
        raise RequestError("there is no such model to transcribe with: take default", param="model")
    return found


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The new in the place of the old; within `audio` field by field."""
    both = dict(old)
    for name, value in new.items():
        nested = name in NESTED and isinstance(value, dict) and isinstance(both.get(name), dict)
        both[name] = merged(both[name], value) if nested else value
    return both


def shown(session: Session) -> dict[str, Any]:
    """As events tell it."""
    told = session.model_dump(exclude_none=True)
    detection = session.audio.input.turn_detection
    told["audio"]["input"].setdefault("turn_detection", None)
    told["audio"]["input"].setdefault("transcription", None)
    if detection is not None:
        other = {"eagerness"} if detection.type == "server_vad" else SERVER_ONLY
        told["audio"]["input"]["turn_detection"] = detection.model_dump(exclude=other, exclude_none=True)
    return told


def memory_of(session: Session, instructions: str) -> Memory | None:
    """What an answer is given of a conversation that has outgrown the context; None: that is an error."""
    kept = session.truncation
    if kept == "disabled":
        return None
    if kept == "auto":
        return Memory(bool(instructions), 1.0, 0)
    return Memory(bool(instructions), kept.retention_ratio, kept.token_limits.post_instructions or 0)


SERVER_ONLY = {"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"}


def attention_of(session: Session) -> Attention:
    """How an ear is to hear a turn."""
    sound, found = session.audio.input.format, session.audio.input.turn_detection
    captions = session.noghost is not None and session.noghost.captions
    if found is None:
        return Attention(FORMATS[sound.type], RATES[sound.type], waits=False, captions=captions)
    silence_ms = SEMANTIC_MS[found.eagerness] if found.type == "semantic_vad" else found.silence_duration_ms
    return Attention(
        FORMATS[sound.type],
        RATES[sound.type],
        waits=True,
        threshold=found.threshold,
        before_s=found.prefix_padding_ms / 1000,
        silence_s=silence_ms / 1000,
        captions=captions,
    )


def second_bytes(sound: SoundFormat) -> int:
    """Of one second of it."""
    return RATES[sound.type] * (2 if sound.type == "audio/pcm" else 1)
