"""`noghost wyoming`, by the `wyoming` package's own client: what it hears, answers and speaks, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from running import Service, wait_for
from speech.voiced import at_rate, needs_voice, voices, words
from speech.wyoming_service import ask, client_of, pcm_of, rest, say, sound, talk, text_of, types, wyoming_service

from wyoming.asr import Transcribe, Transcript  # isort: skip  # the helper above skips where it is not installed
from wyoming.event import Event  # isort: skip
from wyoming.info import Describe, Info, SelectProgram  # isort: skip
from wyoming.ping import Ping  # isort: skip
from wyoming.tts import (  # isort: skip
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeTextFormat,
    SynthesizeVoice,
)

pytestmark = [needs_voice, pytest.mark.slow]
SAID = "The library opens at nine in the morning. It closes at five."
REQUEST_S = 3
AUDIO_BYTES = 2_000_000
LIMITS = [f"request_s={REQUEST_S}", "stall_s=2", f"audio_bytes={AUDIO_BYTES}", "body_bytes=100000"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    limits = [word for limit in LIMITS for word in ("--limit", limit)]
    with wyoming_service(tmp_path_factory.mktemp("wyoming"), *limits) as found:
        yield found


@pytest.fixture(scope="module")
def spoken(service: Service) -> bytes:
    """SAID, 24 kHz."""
    events = ask(service, Synthesize(SAID))
    assert types(events) == ["audio-start", "audio-chunk", "audio-stop"]
    return pcm_of(events)


def close_to(text: str) -> bool:
    """Most words of SAID are in it: the voice varies, and nine may be heard as 9:00. test_pcm.py has the samples."""
    return len(set(words(SAID)) & set(words(text))) >= 6


def error_of(events: list[Event]) -> str | None:
    """The code of the error that came last, before the service closed."""
    assert events[-1].type == "error"
    assert events[-1].data["text"]
    code: str | None = events[-1].data["code"]
    return code


def ends(service: Service, what: str) -> list[Any]:
    """Of every invocation that has ended."""
    rows = json.loads(service.noghost("receipts", "--json").stdout)
    return [row["ended"][what] for row in rows if row["ended"]]


def test_it_tells_what_it_is_as_often_as_it_is_asked(service: Service) -> None:
    async def twice() -> list[Event]:
        async with client_of(service) as client:
            events = []
            for one in (Describe(), Ping("so"), SelectProgram("noghost"), Describe()):
                await say(client, one)
                if not isinstance(one, SelectProgram):
                    answer = await client.read_event()
                    assert answer
                    events.append(answer)
            return events

    first, pong, again = asyncio.run(twice())
    assert (pong.type, pong.data["text"]) == ("pong", "so")
    assert first.data == again.data
    info = Info.from_event(first)
    assert [info.asr[0].models[0].name, info.tts[0].voices[0].name] == ["moonshine-tiny-en", "en_US-joe-medium"]
    assert info.asr[0].supports_transcript_streaming
    assert info.tts[0].supports_synthesize_streaming
    assert info.handle[0].supports_handled_streaming


def with_width(pcm: bytes, width: int) -> bytes:
    """16-bit samples in another width; one byte has no sign."""
    samples = [pcm[at : at + 2] for at in range(0, len(pcm), 2)]
    if width == 1:
        return bytes((sample[1] + 128) % 256 for sample in samples)
    return b"".join(bytes(width - 2) + sample for sample in samples)


def doubled(pcm: bytes) -> bytes:
    """The same on two channels."""
    return b"".join(pcm[at : at + 2] * 2 for at in range(0, len(pcm), 2))


@pytest.mark.parametrize(
    ("rate", "width", "channels", "made"),
    [
        (16_000, 2, 1, bytes),
        (24_000, 2, 2, doubled),
        (48_000, 3, 1, lambda pcm: with_width(pcm, 3)),
        (22_050, 4, 1, lambda pcm: with_width(pcm, 4)),
        (16_000, 1, 1, lambda pcm: with_width(pcm, 1)),
    ],
)
def test_sound_of_every_form_is_heard(
    service: Service, spoken: bytes, rate: int, width: int, channels: int, made: Callable[[bytes], bytes]
) -> None:
    pcm = made(at_rate(spoken, 24_000, rate))
    events = ask(service, Transcribe(language="en"), *sound(pcm, rate, width, channels))
    assert types(events) == ["transcript-start", "transcript-chunk", "transcript", "transcript-stop"]
    assert close_to(text_of(events, "transcript"))
    chunks = [event.data["text"] for event in events if event.type == "transcript-chunk"]
    assert "".join(chunks) == text_of(events, "transcript")


def test_sound_without_a_request_before_it_is_heard(service: Service, spoken: bytes) -> None:
    assert close_to(text_of(ask(service, *sound(spoken, 24_000)), "transcript"))


@pytest.mark.parametrize("pcm", [b"", bytes(96_000)])
def test_where_nobody_speaks_nothing_is_transcribed(service: Service, pcm: bytes) -> None:
    assert text_of(ask(service, Transcribe(), *sound(pcm, 16_000)), "transcript") == ""


def test_a_text_in_pieces_is_spoken_from_its_first_sentence_on(service: Service) -> None:
    """The first sound is awaited before the last piece is said."""

    async def in_pieces() -> list[Event]:
        async with client_of(service) as client:
            await say(client, SynthesizeStart(voice=SynthesizeVoice(name="en_US-joe-medium")))
            first, last = SAID.split(". ")
            await say(client, SynthesizeChunk(f"{first}. "))
            event = await client.read_event()
            assert event
            assert event.type == "audio-start"
            for one in (SynthesizeChunk(last), Synthesize(SAID), SynthesizeStop()):
                await say(client, one)
            return [event, *await rest(client)]

    events = asyncio.run(in_pieces())
    assert types(events) == ["audio-start", "audio-chunk", "audio-stop", "synthesize-stopped"]
    assert close_to(text_of(ask(service, *sound(pcm_of(events), 24_000)), "transcript"))


def test_a_transcript_is_answered(service: Service) -> None:
    question = Transcript("What is the capital of France?", context={"conversation_id": "1"}, language="en")
    events = ask(service, question)
    assert types(events) == ["handled-start", "handled-chunk", "handled", "handled-stop"]
    answer = text_of(events, "handled")
    assert answer
    assert "".join(event.data["text"] for event in events if event.type == "handled-chunk") == answer


def test_every_connection_is_a_process_of_its_own_with_a_receipt(service: Service) -> None:
    names = {ask(service, Transcript("Hello."))[-1].data["noghost"]["instance"] for _ in range(3)}
    assert len(names) == 3
    for name in names:
        wait_for(lambda: service.noghost("receipts", "verify", name).returncode == 0, 10, "the receipt")  # noqa: B023


def test_an_unknown_event_is_passed_over(service: Service) -> None:
    events = ask(service, Event("detect", {"names": ["x"]}), Transcript("Hello."))
    assert (events[0].type, events[0].data["code"]) == ("error", "unknown_event")
    assert events[-1].type == "handled-stop"


CHUNK = Event("audio-chunk", {"rate": 16_000, "width": 2, "channels": 1}, bytes(100_000))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([b"GET / HTTP/1.1\r\n\r\n"], "invalid_event"),
        ([b"\x00\xff\xfe" * 9 + b"\n"], "invalid_event"),
        ([b"[" * 15_000 + b"\n"], "invalid_event"),
        ([b'"describe"\n'], "invalid_event"),
        ([b"{}\n"], "invalid_event"),
        ([b'{"type": 7}\n'], "invalid_event"),
        ([b'{"type": "describe", "data": [1]}\n'], "invalid_event"),
        ([b'{"type": "describe", "data_length": -1}\n'], "invalid_event"),
        ([b'{"type": "describe", "payload_length": "9"}\n'], "invalid_event"),
        ([b'{"type": "describe", "data_length": 3}\n[1]'], "invalid_event"),
        ([b"x" * 100_000], "too_large"),
        ([b'{"type": "audio-chunk", "payload_length": 9999999999}\n'], "too_large"),
        ([CHUNK], "unknown_event"),
        ([b'{"type": "audio-start"}\n'], None),
        ([Transcribe(), Event("audio-chunk", {}, bytes(2))], None),
        ([Transcribe(), Event("audio-chunk", {"rate": 10**9, "width": 2, "channels": 1}, bytes(2))], None),
        ([Transcribe(), Event("audio-start", {"rate": 16_000, "width": 5, "channels": 1})], None),
        ([Transcribe(), Describe()], "invalid_event"),
        ([Transcribe(language="de")], None),
        ([Transcribe(name="whisper")], "model_not_found"),
        ([Transcribe(), *[CHUNK] * (AUDIO_BYTES // 100_000 + 1)], "too_large"),
        ([Synthesize("")], None),
        ([Synthesize("…")], "invalid_value"),
        ([Synthesize("x" * 5000)], None),
        ([Synthesize("<p/>", text_format=SynthesizeTextFormat.SSML)], None),
        ([Synthesize("Hello", voice=SynthesizeVoice(name="alba"))], "voice_not_found"),
        ([b'{"type": "synthesize", "data": {"text": "\\ud800"}}\n'], None),
        ([Event("synthesize", {"text": 3})], None),
        ([SynthesizeStart(), Describe()], "invalid_event"),
        ([SynthesizeStart(), SynthesizeStop()], "invalid_value"),
        ([Event("transcript")], None),
        ([Transcript("word " * 12_000)], "context_length_exceeded"),
        ([SelectProgram("whisper")], "invalid_event"),
    ],
)
def test_what_cannot_be_taken_is_an_error_and_the_end(
    service: Service, said: list[bytes | Event], code: str | None
) -> None:
    if code == "unknown_event":  # after it the service listens on, until it has waited long enough
        assert [event.data["code"] for event in ask(service, *said)] == [code, "request_timeout"]
    else:
        assert error_of(ask(service, *said)) == code
    assert "Traceback" not in service.log


def test_an_event_that_never_ends_is_waited_for_so_long_and_no_longer(service: Service) -> None:
    assert error_of(ask(service, Transcribe(), b'{"type": "audio-chunk", "payload_length": 9}\n1234')) == (
        "request_timeout"
    )


def test_a_caller_that_leaves_takes_its_voice_with_it(service: Service, spoken: bytes) -> None:
    async def leave() -> None:
        async with client_of(service) as client:
            await say(client, Transcribe())
            assert await client.read_event()
            assert voices(service)

    asyncio.run(leave())
    wait_for(lambda: not voices(service) and not service.instances(), 10, "everybody to end")
    assert "disconnected" in ends(service, "outcome")


def test_a_caller_that_stops_reading_is_left_alone(service: Service) -> None:
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", service.port))
        event = {"type": "synthesize", "data": {"text": f"{SAID} " * 60}}
        caller.sendall(json.dumps(event).encode() + b"\n")
        wait_for(lambda: voices(service), 10, "somebody to speak")
        wait_for(lambda: not voices(service) and not service.instances(), 30, "everybody to end")
    assert "timeout" in ends(service, "outcome")
    assert asyncio.run(talk(service, [Transcript("Hello.")]))[-1].type == "handled-stop"


def test_none_of_all_these_tried_what_it_is_refused(service: Service) -> None:
    """Such as to open a file: everything was imported before its birth. And each was wiped."""
    wait_for(lambda: not voices(service) and not service.instances(), 10, "everybody to end")
    assert set(ends(service, "refused_calls")) == {0}
    assert set(ends(service, "wipe")) == {"verified"}
