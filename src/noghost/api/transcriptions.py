"""POST /v1/audio/transcriptions, and /v1/audio/translations, which is refused. In an instance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from noghost.api import pad, subtitles
from noghost.api.answer import EVENTS, as_json
from noghost.api.audio_schema import Transcription, transcription_of
from noghost.api.commitment import PARAMETER, commit_to_answer, commitment_of
from noghost.api.endpoints import Endpoints
from noghost.api.errors import told
from noghost.api.forms import form_of
from noghost.api.here import Here, here
from noghost.api.voice import Call
from noghost.errors import RequestError
from noghost.messages import Voice
from noghost.speech.hearing import Ear, Line, hearing, joined

FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "model": {"type": "string"},
                        "language": {"type": "string"},
                        "response_format": {"enum": ["json", "text", "verbose_json", "srt", "vtt"]},
                        "stream": {"type": "boolean"},
                    },
                }
            }
        },
    }
}
endpoints = Endpoints()


@endpoints.post("/v1/audio/translations", summary="Refused: this ear knows English only", openapi_extra=FORM)
async def translations(_request: Request) -> NoReturn:
    """There is nothing that translates."""
    message = (
        "translation is not supported: what hears here knows English only; transcribe it, and have a model translate"
    )
    raise RequestError(message, code="unsupported_endpoint")


@endpoints.post("/v1/audio/transcriptions", summary="Sound to text", openapi_extra={**FORM, **PARAMETER})
async def transcriptions(request: Request) -> Response:
    """Have a process of its own hear the file."""
    now = here(request)
    wanted = transcription_of(form_of(request), now.voices[Voice.EAR])
    now.timeline.reach("request")
    commit_to_answer(now.tally, request, is_one_text=False)
    call = Call(now, Voice.EAR, commitment_of(request))
    async with AsyncExitStack() as stack:
        ear = await stack.enter_async_context(hearing(await call.bring(), call.hush))
        await ear.feed_file(wanted.file)
        await ear.end()
        lines = ear.lines()
        first = await anext(lines, None)  # so that what is no sound still has its status
        if wanted.stream:
            kept = stack.pop_all()
            return StreamingResponse(events(now, call, ear, first, lines, kept), media_type=EVENTS)
        heard = [first, *[line async for line in lines]] if first else []
        await call.settle()
    return whole(now, wanted, heard, ear.sound_s)


def whole(now: Here, wanted: Transcription, lines: list[Line], sound_s: float) -> Response:
    """The answer in the form that was asked for."""
    text = joined(lines)
    match wanted.format:
        case "text":
            return PlainTextResponse(text + "\n")
        case "srt":
            return PlainTextResponse(subtitles.srt(lines))
        case "vtt":
            return PlainTextResponse(subtitles.vtt(lines), media_type="text/vtt")
        case "verbose_json":
            return as_json({**subtitles.verbose(lines, sound_s), "usage": usage(sound_s)}, now.pads)
        case _:
            return as_json({"text": text, "usage": usage(sound_s)}, now.pads)


def usage(sound_s: float) -> dict[str, Any]:
    """OpenAI's, of what is counted by time."""
    return {"type": "duration", "seconds": round(sound_s, 3)}


async def events(
    now: Here, call: Call, ear: Ear, first: Line | None, lines: AsyncIterator[Line], kept: AsyncExitStack
) -> AsyncIterator[bytes]:
    """A delta for each line as soon as it is whole."""
    async with kept:
        heard: list[Line] = []
        try:
            line = first
            while line is not None:
                delta = f" {line.text}" if heard else line.text
                heard.append(line)
                yield pad.event({"type": "transcript.text.delta", "delta": delta}, pads=now.pads)
                line = await anext(lines, None)
            await call.settle()
        except Exception as error:  # noqa: BLE001  the status is out already: the error is the last event
            now.tally.status, body = told(error)
            yield pad.event(body, pads=now.pads)
            return
        done = {"type": "transcript.text.done", "text": joined(heard), "usage": usage(ear.sound_s)}
        yield pad.event(done, pads=now.pads)
