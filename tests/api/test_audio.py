"""The audio endpoints, through OpenAI's client, and what they refuse."""

from __future__ import annotations

import base64
import json
import random
import wave
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from api.conversing import client_of
from running import Service, running
from speech.voiced import needs_voice, wav, words

pytestmark = needs_voice
SAID = "The library opens at nine in the morning. It closes at five."
HEARD = words(SAID)
OURS = {("noghost", "ledger"), ("cache", "noghost")}  # the record, and digests of weights


@pytest.fixture(scope="module")
def client(voiced: Service) -> OpenAI:
    return client_of(voiced)


@pytest.fixture(scope="module")
def spoken(client: OpenAI) -> bytes:
    """A WAV file of SAID."""
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input=SAID, response_format="wav")
    return answer.content


def pcm_of(spoken: bytes) -> bytes:
    return spoken[44:]


def close_to(text: str) -> bool:
    """At most two words of it are others."""
    heard = words(text)
    return len(set(heard) ^ set(HEARD)) <= 4 and abs(len(heard) - len(HEARD)) <= 2


def test_speech_is_24_khz_wav(spoken: bytes) -> None:
    with wave.open(BytesIO(spoken)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
    assert 3 < len(pcm_of(spoken)) / 48_000 < 8


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-mini-transcribe", "default"])
def test_what_was_said_is_heard(client: OpenAI, spoken: bytes, model: str) -> None:
    answer = client.audio.transcriptions.create(model=model, file=("a.wav", spoken), language="en", temperature=0)
    assert close_to(answer.text)


@pytest.mark.parametrize("wanted", ["mp3", "opus", "flac", "pcm"])
def test_every_format_is_what_it_says(client: OpenAI, wanted: Any) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="ash", input=SAID, response_format=wanted, speed=0.9
    ) as answer:
        data = answer.read()
    file = wav(data, rate=24_000) if wanted == "pcm" else data
    assert close_to(client.audio.transcriptions.create(model="whisper-1", file=("a", file)).text)


def test_speed(client: OpenAI, spoken: bytes) -> None:
    fast = client.audio.speech.create(model="tts-1", voice={"id": "nova"}, input=SAID, response_format="wav", speed=2)
    assert len(fast.content) < 0.7 * len(spoken)


def test_speech_as_events(client: OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="default", voice="default", input="Hello.", response_format="pcm", stream_format="sse"
    ) as answer:
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line]
    assert [event["type"] for event in events][-1] == "speech.audio.done"
    assert sum(len(base64.b64decode(event["audio"])) for event in events[:-1]) > 10_000


def test_the_forms_of_a_transcript(client: OpenAI, spoken: bytes) -> None:
    def ask(wanted: Any) -> Any:
        return client.audio.transcriptions.create(model="whisper-1", file=("a.wav", spoken), response_format=wanted)

    verbose = ask("verbose_json")
    assert close_to(verbose.text)
    assert verbose.segments[0].start == pytest.approx(0, abs=0.3)
    assert verbose.segments[-1].end == pytest.approx(verbose.duration, abs=0.5)
    assert close_to(ask("text"))
    assert ask("srt").startswith("1\n00:00:00,")
    assert ask("vtt").startswith("WEBVTT\n\n00:00:00.")


def test_a_streamed_transcript(client: OpenAI, spoken: bytes) -> None:
    stream = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", spoken), stream=True)
    events = list(stream)
    deltas = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == deltas
    assert close_to(deltas)


def stereo(pcm: bytes) -> bytes:
    return wav(b"".join(2 * pcm[at : at + 2] for at in range(0, len(pcm), 2)), rate=24_000, channels=2)


def in_24_bit(pcm: bytes) -> bytes:
    return wav(b"".join(b"\0" + pcm[at : at + 2] for at in range(0, len(pcm), 2)), rate=24_000, width_bytes=3)


def at_8_khz(pcm: bytes) -> bytes:
    return wav(b"".join(pcm[at : at + 2] for at in range(0, len(pcm), 6)), rate=8_000)


@pytest.mark.parametrize("form", [stereo, in_24_bit, at_8_khz])
def test_unusual_sound_is_heard_all_the_same(client: OpenAI, spoken: bytes, form: Any) -> None:
    file = form(pcm_of(spoken))
    assert close_to(client.audio.transcriptions.create(model="whisper-1", file=("a.wav", file)).text)


@cache
def noise() -> bytes:
    return wav(random.Random(1).randbytes(5 * 32_000))


LARGE = wav(bytes(1 << 20), rate=384_000, channels=1024)  # 5 s of such would be more memory than there is


NOBODY = {"silence": wav(bytes(5 * 32_000)), "noise": noise(), "no samples": wav(b""), "1024 channels": LARGE}


@pytest.mark.parametrize("file", NOBODY.values(), ids=NOBODY)
def test_where_nobody_speaks_nothing_is_heard(client: OpenAI, file: bytes) -> None:
    assert client.audio.transcriptions.create(model="whisper-1", file=("a.wav", file)).text == ""


@cache
def too_long() -> bytes:
    """Half an hour and a second, within the bytes that a request may have."""
    import numpy
    import soundfile

    file = BytesIO()
    soundfile.write(file, numpy.zeros(1801 * 8000, numpy.int16), 8000, format="FLAC")
    return file.getvalue()


def test_a_file_that_is_too_long_is_refused_in_words(voiced: Service) -> None:
    answer = httpx.post(f"{voiced.url}/v1/audio/transcriptions", files={"file": ("a", too_long())}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_audio")
    assert "1800 s" in answer.json()["error"]["message"]


BAD = [
    (b"", {}, 400, "file"),
    (b"this is a text" * 99, {}, 400, "file"),
    (b"RIFF" + bytes(30), {}, 400, "file"),
    (wav(bytes(1 << 10), rate=1), {}, 400, "file"),
    (b"\xff\xfb\x90\x44" + random.Random(2).randbytes(50_000), {}, 400, "file"),
    (bytes(26 << 20), {}, 413, None),
    (b"x", {"model": "nobody"}, 404, "model"),
    (b"x", {"language": "de"}, 400, "language"),
    (b"x", {"prompt": "names"}, 400, "prompt"),
    (b"x", {"response_format": "docx"}, 400, "response_format"),
    (b"x", {"response_format": "srt", "stream": "true"}, 400, "stream"),
    (b"x", {"stream": "perhaps"}, 400, "stream"),
    (b"x", {"temperature": "hot"}, 400, "temperature"),
    (b"x", {"colour": "red"}, 400, None),
]


@pytest.mark.parametrize(("file", "fields", "status", "param"), BAD)
def test_what_cannot_be_heard_is_refused(
    voiced: Service, file: bytes, fields: dict[str, str], status: int, param: str | None
) -> None:
    answer = httpx.post(
        f"{voiced.url}/v1/audio/transcriptions", files={"file": ("a.wav", file)}, data=fields, timeout=60
    )
    assert (answer.status_code, answer.json().get("error", {}).get("param")) == (status, param)
    assert "nobody" not in answer.text


def test_bodies_that_are_no_forms(voiced: Service) -> None:
    for kind, body in (("application/json", b"{}"), ("multipart/form-data; boundary=b", b"--b\r\nhalf")):
        answer = httpx.post(f"{voiced.url}/v1/audio/transcriptions", content=body, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_form")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"model": "nobody"}, NotFoundError),
        ({"voice": "nobody"}, BadRequestError),
        ({"voice": {"id": "nobody"}}, BadRequestError),
        ({"voice": {"id": "alloy", "pitch": 2}}, BadRequestError),
        ({"input": "..."}, BadRequestError),
        ({"input": ""}, BadRequestError),
        ({"input": "x" * 4097}, BadRequestError),
        ({"speed": 9}, BadRequestError),
        ({"response_format": "aac"}, BadRequestError),
        ({"instructions": "whisper"}, BadRequestError),
    ],
)
def test_what_cannot_be_said_is_refused(client: OpenAI, fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        client.audio.speech.create(**({"model": "tts-1", "voice": "alloy", "input": "Hello."} | fields))


def test_translations_are_refused_in_words(client: OpenAI, spoken: bytes) -> None:
    deprecated = pytest.warns(DeprecationWarning, match="deprecated")  # the client's own word of this endpoint
    with deprecated, pytest.raises(BadRequestError, match="translation is not supported"):
        client.audio.translations.create(model="whisper-1", file=("a.wav", spoken))


def test_nothing_was_written_but_the_ledger(voiced: Service, client: OpenAI, spoken: bytes) -> None:
    """onnxruntime from 1.29 on writes to the home directory; a body over 1 MiB would be spooled by others."""
    client.audio.transcriptions.create(model="whisper-1", file=("a.wav", wav(bytes(3 << 20))))
    written = [path.relative_to(voiced.home) for path in voiced.home.rglob("*") if path.is_file()]
    assert {path.parts[:2] for path in written if len(path.parts) > 1} <= OURS
    assert {path.name for path in written if len(path.parts) == 1} == {"stdout", "stderr"}


def test_a_service_without_a_voice_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for path in ("transcriptions", "speech"):
            answer = httpx.post(f"{service.url}/v1/audio/{path}", json={"input": "x"})
            assert (answer.status_code, "--voice" in answer.text) == (404, True)
