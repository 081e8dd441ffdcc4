"""synthesize: have a process of its own say it; a text in pieces from its first sentence on. In an instance."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from noghost.api.errors import validated
from noghost.api.speech import say
from noghost.api.voice import Call
from noghost.api.wyoming.about import language_of
from noghost.api.wyoming.caller import Caller
from noghost.api.wyoming.events import Event, invalid
from noghost.api.wyoming.schema import NamedVoice, Synthesize, SynthesizeChunk, SynthesizeStart, main_language
from noghost.errors import RequestError
from noghost.messages import Voice
from noghost.speech.frames import RATE_HZ
from noghost.speech.sentences import Sentences
from noghost.speech.speaking import Mouth, speaking

SOUND = {"rate": RATE_HZ, "width": 2, "channels": 1}
OUT_OF_PLACE = "while a text comes in pieces, only synthesize-chunk, synthesize and synthesize-stop are taken"


async def speak(caller: Caller, event: Event) -> None:
    """A whole text."""
    wanted = validated(Synthesize, event.data)
    speaker = speaker_of(wanted, caller)
    call = Call(caller.now, Voice.MOUTH, None)
    async with speaking(await call.bring(), call.hush, speaker=speaker) as mouth:
        await say(mouth, wanted.text)
        await tell_sound(caller, call, mouth)


async def speak_pieces(caller: Caller, event: Event) -> None:
    """A text that is still being written."""
    speaker = speaker_of(validated(SynthesizeStart, event.data), caller)
    call = Call(caller.now, Voice.MOUTH, None)
    async with speaking(await call.bring(), call.hush, speaker=speaker) as mouth:
        await both(say_pieces(caller, mouth), tell_sound(caller, call, mouth))
    await caller.tell("synthesize-stopped", {})


async def both(*parts: Coroutine[Any, Any, None]) -> None:
    """At the same time; raises what the first of them raised, and ends the other."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def say_pieces(caller: Caller, mouth: Mouth) -> None:
    """Each sentence as soon as it is whole. The same text as one, `synthesize`, comes for services that know no other
    way."""
    sentences = Sentences()
    while (event := await caller.more()).type != "synthesize-stop":
        if event.type == "synthesize":
            continue
        if event.type != "synthesize-chunk":
            raise invalid(OUT_OF_PLACE)
        for sentence in sentences.add(validated(SynthesizeChunk, event.data).text):
            await mouth.say(sentence)
    for sentence in sentences.end():
        await mouth.say(sentence)
    await mouth.end()


async def tell_sound(caller: Caller, call: Call, mouth: Mouth) -> None:
    """The sound as it is made; its last piece leaves when the record is on the disk."""
    last = b""
    async for piece in mouth.sound():
        if last:
            await caller.tell("audio-chunk", SOUND, last)
        elif piece:
            await caller.tell("audio-start", SOUND)
        last = piece
    if not last:
        raise RequestError("nothing in the text can be spoken", code="invalid_value", param="text")
    await call.settle()
    await caller.tell("audio-chunk", SOUND, last)
    await caller.tell("audio-stop", {})


def speaker_of(wanted: SynthesizeStart, caller: Caller) -> int:
    """Which of the mouth's voices is meant. RequestError for one, or a language, that is not here."""
    speakers, mouth = caller.now.speakers, caller.now.voices[Voice.MOUTH]
    voice = wanted.voice or NamedVoice()
    if voice.name in speakers:
        return speakers.index(voice.name)
    if voice.name not in (None, "", "default"):
        message = f"there is no such voice here: take one of {', '.join(speakers)}, or none"
        raise RequestError(message, status=404, code="voice_not_found", param="voice")
    own = language_of(mouth, speakers[0])
    if main_language(voice.language or own) != main_language(own):
        raise invalid(f"this voice speaks no other language than {own}")
    return 0
