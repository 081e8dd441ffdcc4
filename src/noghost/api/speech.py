"""POST /v1/audio/speech. In an instance."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from noghost.api import pad
from noghost.api.answer import EVENTS
from noghost.api.audio_schema import SpeechRequest, check_mouth, speaker_of
from noghost.api.commitment import PARAMETER, commit_to_answer, commitment_of
from noghost.api.endpoints import Endpoints
from noghost.api.errors import told
from noghost.api.here import Here, here
from noghost.api.voice import Call
from noghost.errors import RequestError
from noghost.messages import Voice
from noghost.speech.frames import RATE_HZ, Format
from noghost.speech.sentences import Sentences
from noghost.speech.speaking import Mouth, speaking

TYPES = {"mp3": "audio/mpeg", "opus": "audio/ogg", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm"}
FORMATS = {"mp3": Format.MP3, "opus": Format.OPUS, "flac": Format.FLAC, "wav": Format.PCM, "pcm": Format.PCM}
UNKNOWN_BYTES = 0xFFFFFFFF  # of a stream: nobody knows yet how long it will be
WAV = struct.pack(
    "<4sI4s4sIHHIIHH4sI",
    *(b"RIFF", UNKNOWN_BYTES, b"WAVE", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16, b"data", UNKNOWN_BYTES),
)
SOUNDS: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in TYPES.values()}}
}
endpoints = Endpoints()


@endpoints.post("/v1/audio/speech", summary="Text to sound", responses=SOUNDS, openapi_extra=PARAMETER)
async def speech(body: SpeechRequest, request: Request) -> Response:
    """Have a process of its own say it, sentence by sentence."""
    now = here(request)
    check_mouth(body.model, now.voices[Voice.MOUTH])
    speaker = speaker_of(body.voice, now.speakers)
    now.timeline.reach("request")
    commit_to_answer(now.tally, request, is_one_text=False)
    call = Call(now, Voice.MOUTH, commitment_of(request))
    async with AsyncExitStack() as stack:
        wanted = FORMATS[body.response_format]
        mouth = await stack.enter_async_context(
            speaking(await call.bring(), call.hush, wanted=wanted, speed=body.speed, speaker=speaker)
        )
        await say(mouth, body.input)
        sound = mouth.sound()
        first = await anext(sound, b"")  # so that what cannot be said still has its status
        if not first:
            raise RequestError("nothing in the input can be spoken", code="invalid_value", param="input")
        kept = stack.pop_all()
    pieces = spoken(call, first, sound, kept, WAV if body.response_format == "wav" else b"")
    if body.stream_format == "sse":
        return StreamingResponse(events(now, pieces), media_type=EVENTS)
    return StreamingResponse(pieces, media_type=TYPES[body.response_format])


@endpoints.get("/v1/audio/voices", summary="Whom this service can speak as; the first is the default")
async def voices(request: Request) -> dict[str, Any]:
    """The names that `voice` takes, and what hears and speaks here."""
    now = here(request)
    ear, mouth = now.voices
    return {"voices": [{"id": name, "name": name} for name in now.speakers], "ear": ear, "mouth": mouth}


async def say(mouth: Mouth, text: str) -> None:
    """All of a text, in sentences, so that the first is heard before the last is made."""
    sentences = Sentences()
    for sentence in (*sentences.add(text), *sentences.end()):
        await mouth.say(sentence)
    await mouth.end()


async def spoken(
    call: Call, first: bytes, sound: AsyncIterator[bytes], kept: AsyncExitStack, head: bytes
) -> AsyncIterator[bytes]:
    """The sound as it is made; its last piece leaves when the record is on the disk."""
    async with kept:
        last = head + first
        async for piece in sound:
            yield last
            last = piece
        await call.settle()
        yield last


async def events(now: Here, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same as server-sent events."""
    try:
        async for piece in pieces:
            yield pad.event({"type": "speech.audio.delta", "audio": b64encode(piece).decode()}, pads=now.pads)
    except Exception as error:  # noqa: BLE001  the status is out already: the error is the last event
        now.tally.status, body = told(error)
        yield pad.event(body, pads=now.pads)
        return
    yield pad.event({"type": "speech.audio.done"}, pads=now.pads)
