"""P2 and P3 for /v1/realtime: of what was said in a conversation, by either side, nothing is left, as sound or as text;
and of a turn's sound, nothing once the turn is over, while the conversation goes on.

Positive control: while a turn lasts, its sound is in the arena and in the conversation's own process, which knows the
text to the end; those that outlive it have nothing. Mutants: with the zeroing of arenas off, sound and text are found
in the arenas, which that service keeps; with the erasing of freed memory off, sound is found in base64.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.conversing import PUSH_TO_TALK, Talk, conversing
from noghost.client.hunt import Needle, count_in_pid, needles_for
from noghost.speech.frames import RATE_HZ
from promises.hunting_sound import (
    CANARY,
    KEPT,
    copies,
    lasting,
    made_of,
    needles_of,
    outcomes,
    until_gone,
    until_the_turn_is_over,
)
from running import Service, running, wait_for
from speech.voiced import needs_voice, say, speaking_service, voices

pytestmark = [
    needs_voice,
    pytest.mark.slow,
    # websockets 17 says so to OpenAI's client, which calls it in the old way
    pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with speaking_service(tmp_path_factory.mktemp("talked")) as found:
        yield found


def talk_about_it(talk: Talk, pcm: bytes) -> tuple[str, str]:
    """A turn of the canary; (what was heard, what was answered)."""
    talk.speak(pcm)
    talk.say("input_audio_buffer.commit")
    heard = talk.until("conversation.item.input_audio_transcription.completed")["transcript"]
    answer = talk.answer(instructions="Repeat what you were told.")
    return heard, answer["output"][0]["content"][0]["transcript"]


def loudest_of(pcm: bytes) -> list[Needle]:
    """Of an answer, whose words nobody knows before: the window with the most different bytes."""
    at = max(range(0, len(pcm) - 128, 128), key=lambda start: len(set(pcm[start : start + 128])))
    return [Needle(pcm[at : at + 128], "int16", "sound", at, 128, 0, "int16")]


def encoded(pcm: bytes) -> list[Needle]:
    """Windows of it in base64, at each of its three alignments."""
    found = []
    for at in range(0, len(pcm) - 96, 3 * (len(pcm) // 150)):
        for shift in range(3):
            raw = base64.b64encode(pcm[at + shift : at + shift + 90])
            if len(set(raw)) > 40:
                found.append(Needle(raw, "base64", "sound", at, len(raw), 0, "base64"))
    assert len(found) > 8
    return found


def test_of_a_turns_sound_nothing_is_left_while_the_conversation_goes_on(service: Service) -> None:
    pcm = say(service, CANARY)
    until_gone(service)
    with conversing(service, audio=PUSH_TO_TALK) as talk:
        talk.speak(pcm)
        talk.update()
        for pid in (service.reaper_pid, *service.instances()):
            assert copies(service, [pid], needles_of(pcm)) > 0, "the positive control: it is in the arena"
        talk_about_it(talk, b"")
        until_the_turn_is_over(service)
        sound = [*needles_of(pcm), *encoded(pcm), *loudest_of(talk.sound()), *encoded(talk.sound())]
        assert copies(service, [*lasting(service), *service.instances()], sound) == 0
        talk_about_it(talk, pcm)
        until_the_turn_is_over(service)
        maps = Path(f"/proc/{service.instances()[0]}/maps").read_text()
        assert maps.count("memfd:noghost-arena") <= 3, "an arena is shared again, not another one each time"
    until_gone(service)
    assert {wipe for _, wipe in outcomes(service)} == {"verified"}


def test_it_is_the_erasing_of_freed_memory_that_does_it(tmp_path: Path) -> None:
    with running(tmp_path, command=(sys.executable, KEPT, "unerased")) as kept:
        pcm = say(kept, CANARY)
        until_gone(kept)
        with conversing(kept, audio=PUSH_TO_TALK) as talk:
            talk_about_it(talk, pcm)
            assert copies(kept, kept.instances(), [*encoded(pcm), *encoded(talk.sound())]) > 0


def test_nothing_of_a_conversation_is_left(service: Service) -> None:
    pcm = say(service, CANARY)
    until_gone(service)
    with conversing(service, audio=PUSH_TO_TALK) as talk:
        heard, answer = talk_about_it(talk, pcm)
        texts = [*needles_for(heard, width_chars=16), *needles_for(answer, width_chars=32)]  # 16 may be any English
        assert copies(service, service.instances(), texts) > 0, "the conversation's own process knows it"
        needles = [*texts, *needles_of(pcm), *loudest_of(talk.sound())]
        lasts = sum(len(count_in_pid(pid, needles)) for pid in lasting(service))
        assert lasts == 0, "the reaper has the arenas, unread"
    until_gone(service)
    assert copies(service, lasting(service), needles) == 0
    assert {wipe for _, wipe in outcomes(service)} == {"verified"}


def test_what_an_ear_makes_of_the_sound_is_left_nowhere(service: Service) -> None:
    pcm = say(service, CANARY)
    until_gone(service)
    needles = made_of("samples", pcm, RATE_HZ)
    with conversing(service, audio=PUSH_TO_TALK) as talk:
        talk.speak(pcm)
        wait_for(lambda: copies(service, voices(service), needles) > 0, 20, "the ear to have it: the control")
        talk.say("input_audio_buffer.commit")
        talk.until("conversation.item.input_audio_transcription.completed")
    until_gone(service)
    assert copies(service, lasting(service), needles) == 0


@pytest.mark.parametrize(("zeroes", "is_found"), [("on", False), ("off", True)])
def test_it_is_the_zeroing_of_the_arenas_that_does_it(tmp_path: Path, zeroes: str, is_found: bool) -> None:
    with running(tmp_path, command=(sys.executable, KEPT, zeroes)) as kept:
        pcm = say(kept, CANARY)
        until_gone(kept)
        with conversing(kept, audio=PUSH_TO_TALK) as talk:
            heard, answer = talk_about_it(talk, pcm)
            until_the_turn_is_over(kept)
            assert (copies(kept, [kept.reaper_pid], needles_of(pcm)) > 0) is is_found
        until_gone(kept)
        for needles in (needles_of(pcm), needles_for(heard, width_chars=16), loudest_of(talk.sound())):
            assert (copies(kept, [kept.reaper_pid], needles) > 0) is is_found
        assert answer
