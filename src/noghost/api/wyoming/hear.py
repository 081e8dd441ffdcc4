"""transcribe, then sound: have a process of its own hear it. In an instance.

Nothing is transcribed in which nobody speaks (voice/segments.py): the transcript is empty then.
"""

from __future__ import annotations

from noghost.api.errors import validated
from noghost.api.voice import Call
from noghost.api.wyoming.caller import Caller
from noghost.api.wyoming.events import Event, invalid, too_large
from noghost.api.wyoming.schema import Sound, Transcribe
from noghost.errors import RequestError
from noghost.messages import Voice
from noghost.speech.frames import SPOKEN_FORM
from noghost.speech.hearing import Ear, Line, hearing, joined

LANGUAGE = {"language": "en"}
OUT_OF_PLACE = "while sound is heard, only audio-start, audio-chunk and audio-stop are taken"


class Captions:
    """What was told of what was heard."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._told = 0

    async def tell(self, lines: list[Line]) -> None:
        """Those of all these that are new, as transcript-chunk."""
        for line in lines[self._told :]:
            await self._caller.tell("transcript-chunk", {"text": " " * bool(self._told) + line.text})
            self._told += 1


async def hear(caller: Caller, first: Event) -> None:
    """From `transcribe`, or from the sound's begin where that comes first, to the transcript."""
    if first.type == "audio-start":
        validated(Sound, first.data)  # that of each chunk counts
    else:
        check_name(validated(Transcribe, first.data), caller)
    call = Call(caller.now, Voice.EAR, None)
    async with hearing(await call.bring(), call.hush) as ear:
        await caller.tell("transcript-start", LANGUAGE)
        captions = Captions(caller)
        await feed(caller, ear, captions)
        await ear.end()
        lines = [line async for line in ear.lines()]
        await captions.tell(lines)
        await call.settle()
    await caller.tell("transcript", {"text": joined(lines), **LANGUAGE})
    await caller.tell("transcript-stop", {})


def check_name(wanted: Transcribe, caller: Caller) -> None:
    """RequestError for an ear that is not here."""
    own = caller.now.voices[Voice.EAR]
    if wanted.name not in (None, "", "default", own):
        message = f"there is no such model to hear with: take {own}, or none"
        raise RequestError(message, status=404, code="model_not_found", param="name")


async def feed(caller: Caller, ear: Ear, captions: Captions) -> None:
    """The sound as it comes, until its end."""
    most, sent, form = caller.now.limits.audio_bytes, 0, SPOKEN_FORM
    while (event := await caller.more()).type != "audio-stop":
        if event.type not in ("audio-start", "audio-chunk"):
            raise invalid(OUT_OF_PLACE)
        wanted = validated(Sound, event.data).form
        sent += len(event.payload)
        if sent > most:
            raise too_large("the sound", most)
        if wanted != form:
            form = wanted
            await ear.take_form(form)
        await ear.feed(event.payload)
        await captions.tell(ear.heard())
