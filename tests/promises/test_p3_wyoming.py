"""P3 over Wyoming's protocol: of sound, of what was heard, said and answered nothing is left.

Positive control: while the caller still is there, the same needles are found in the instance and in who speaks for it.
The mutant without the zeroing of arenas is in test_p3_voice.py: what shares them is the same.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from noghost.client.hunt import count_in_pid, needles_for
from promises.hunting_sound import CANARY, copies, lasting, needles_of, outcomes, until_gone
from running import Service, wait_for
from speech.voiced import at_rate, needs_voice, voices
from speech.wyoming_service import ask, pcm_of, sound, text_of, wyoming_service

from wyoming.asr import Transcript  # isort: skip  # the helper above skips where it is not installed
from wyoming.tts import Synthesize  # isort: skip

pytestmark = [needs_voice, pytest.mark.slow]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with wyoming_service(tmp_path_factory.mktemp("hunted")) as found:
        yield found


def test_nothing_of_what_was_heard_said_and_answered_is_left(service: Service) -> None:
    spoken = pcm_of(ask(service, Synthesize(CANARY)))
    pcm = at_rate(spoken, 24_000, 16_000)
    heard = text_of(ask(service, *sound(pcm, 16_000)), "transcript")
    answered = text_of(ask(service, Transcript(CANARY)), "handled")
    assert heard
    assert answered
    until_gone(service)
    texts = [needle for text in (CANARY, heard, answered) for needle in needles_for(text, width_chars=16)]
    assert copies(service, lasting(service), [*needles_of(spoken), *needles_of(pcm), *texts]) == 0
    assert set(outcomes(service)) == {("answered", "verified")}


def test_while_it_is_said_it_is_found(service: Service) -> None:
    """The positive control: a caller that reads nothing of a long answer."""
    texts = needles_for(CANARY, width_chars=16)
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", service.port))
        caller.sendall(json.dumps({"type": "synthesize", "data": {"text": f"{CANARY} " * 60}}).encode() + b"\n")
        wait_for(lambda: [pid for pid in voices(service) if count_in_pid(pid, texts)], 20, "the voice to know it")
        (instance,) = (pid for pid in service.instances() if count_in_pid(pid, texts))
        assert instance not in lasting(service)
        assert sum(len(count_in_pid(pid, texts)) for pid in lasting(service)) == 0
    until_gone(service)
    assert copies(service, lasting(service), texts) == 0
    assert {wipe for _, wipe in outcomes(service)} == {"verified"}
