"""P2 and P3 for voices: of sound and of what was heard or said nothing is left, in no process, file or shared memory.

Searched for as 16-bit and as 32-bit samples, at any alignment, as text, and as the mel frames that Whisper's ear makes
of sound. Positive control: while the caller still is there the same needles are found. Mutants: with the zeroing of
arenas off they are found in the arena, which that service keeps; with the wipe off frames are found at the ear's end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.conversing import PUSH_TO_TALK, QUIET, conversing
from noghost.client.hunt import count_in_pid, needles_for
from noghost.speech.frames import RATE_HZ, SOUND_RATE
from promises.hunting_sound import (
    CANARY,
    GONE_S,
    KEPT,
    copies,
    lasting,
    made_of,
    needles_of,
    outcomes,
    slow_speech,
    until_gone,
    until_the_turn_is_over,
)
from running import Service, running, state, wait_for
from speech.voiced import (
    OTHERS,
    at_rate,
    hear,
    needs_others,
    needs_voice,
    parent_of,
    say,
    speaking_service,
    voices,
    wav,
)

pytestmark = [
    needs_voice,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning"),  # as in test_p3_realtime.py
]
EAR_WITNESS = str(Path(__file__).with_name("ear_witness.py"))
BY_OTHERS = pytest.param(OTHERS, id="others", marks=needs_others)


@pytest.fixture(scope="module", params=[pytest.param((), id="default"), BY_OTHERS])
def service(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Service]:
    with speaking_service(tmp_path_factory.mktemp("hunted"), *request.param) as found:
        yield found


def test_nothing_of_what_was_heard_or_said_is_left(service: Service) -> None:
    spoken = say(service, CANARY)
    file = at_rate(spoken, 24_000, 16_000)
    heard = hear(service, wav(file))
    until_gone(service)
    texts = [*needles_for(CANARY, width_chars=16), *needles_for(heard, width_chars=16)]
    sound = [*needles_of(spoken), *needles_of(file), *made_of("mel", file, SOUND_RATE)]
    assert copies(service, lasting(service), [*sound, *texts]) == 0
    assert set(outcomes(service)) == {("answered", "verified")}
    rows = json.loads(service.noghost("receipts", "--json").stdout)
    assert [int(row["ended"]["refused_calls"]) for row in rows] == [0] * 4, "two instances, an ear and a mouth"


def test_while_it_is_said_it_is_found_and_once_the_caller_has_left_it_is_not(service: Service) -> None:
    """The positive control, and the end of a voice in the middle of a word."""
    texts = needles_for(CANARY, width_chars=16)
    caller = slow_speech(service)
    (speaking,) = voices(service)
    assert "Seccomp:\t2" in Path(f"/proc/{speaking}/status").read_text()
    assert copies(service, [speaking], texts) > 0
    assert sum(len(count_in_pid(pid, texts)) for pid in lasting(service)) == 0, "the reaper has its arena, unread"
    caller.close()
    until_gone(service)
    assert copies(service, lasting(service), texts) == 0
    assert ("killed", "verified") in outcomes(service)


def test_a_voice_that_is_killed_is_an_error_and_is_wiped(service: Service) -> None:
    with slow_speech(service) as caller:
        (speaking,) = voices(service)
        os.kill(speaking, signal.SIGKILL)
        while caller.recv(1 << 16):
            pass
    wait_for(lambda: state(speaking) in ("", "Z"), GONE_S, "the voice to be gone")
    until_gone(service)
    assert {wipe for _, wipe in outcomes(service)} == {"verified"}
    assert say(service, "Again.")


@pytest.mark.parametrize("service", [BY_OTHERS], indirect=True)
def test_of_a_turns_frames_nothing_is_left_while_the_conversation_goes_on(service: Service) -> None:
    pcm = say(service, CANARY)
    with conversing(service, audio=PUSH_TO_TALK) as talk:
        talk.speak(pcm)
        talk.say("input_audio_buffer.commit")
        talk.until("conversation.item.input_audio_transcription.completed")
        until_the_turn_is_over(service)
        assert copies(service, [*lasting(service), *service.instances()], made_of("mel", pcm, RATE_HZ)) == 0
    until_gone(service)
    assert {wipe for _, wipe in outcomes(service)} == {"verified"}


@needs_others
@pytest.mark.parametrize("wipe", ["on", "off"])
def test_it_is_the_wipe_that_leaves_no_frames(tmp_path: Path, wipe: str) -> None:
    """An ear that has just made them is looked at while it lives, and by the reaper at its end."""
    report, file = tmp_path / "report", tmp_path / "needles"
    report.touch()
    file.touch()
    with running(tmp_path, command=(sys.executable, EAR_WITNESS, str(report), wipe, str(file))) as watching:
        pcm = say(watching, CANARY)
        until_gone(watching)
        needles = made_of("mel", pcm, RATE_HZ)
        with conversing(watching, audio=PUSH_TO_TALK) as talk:
            talk.speak(pcm + QUIET)
            wait_for(lambda: copies(watching, voices(watching), needles), GONE_S, "the ear to make them, in the pause")
            assert copies(watching, [*lasting(watching), *watching.instances()], needles) == 0, "the ear alone has them"
            file.write_text("\n".join(needle.raw.hex() for needle in needles))
        until_gone(watching)
    (ear,) = [look for line in report.read_text().splitlines() if (look := json.loads(line))["before"]]
    assert ear["after"] == (0 if wipe == "on" else ear["before"])


@pytest.mark.parametrize(("zeroes", "is_found"), [("on", False), ("off", True)])
def test_it_is_the_zeroing_of_the_arena_that_does_it(tmp_path: Path, zeroes: str, is_found: bool) -> None:
    with running(tmp_path, command=(sys.executable, KEPT, zeroes)) as kept:
        spoken = say(kept, CANARY)
        heard = hear(kept, wav(at_rate(spoken, 24_000, 16_000)))
        until_gone(kept)
        for needles in (needles_of(spoken), needles_for(CANARY, width_chars=16), needles_for(heard, width_chars=16)):
            assert (copies(kept, [kept.reaper_pid], needles) > 0) is is_found


def test_without_the_parent_of_voices_the_service_goes_on(tmp_path: Path) -> None:
    with speaking_service(tmp_path) as service:
        os.kill(parent_of(service, "mouth"), signal.SIGKILL)
        wait_for(lambda: "voice_gone" in service.log, GONE_S, "the reaper to see it")
        answer = httpx.post(f"{service.url}/v1/audio/speech", json={"input": "Hello."}, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_voice")
        assert hear(service, wav(bytes(32_000))) == ""
