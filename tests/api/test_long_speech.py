"""Ten minutes of speech, as one file and as one turn of a conversation: all of it is heard, and the next is as ever."""

from __future__ import annotations

import pytest

from api.conversing import PUSH_TO_TALK, conversing
from running import Service
from speech.voiced import at_rate, hear, needs_voice, say, wav, words

pytestmark = [
    needs_voice,
    pytest.mark.slow,
    # websockets 17 says so to OpenAI's client, which calls it in the old way
    pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning"),
]
SAID = "The quick brown fox jumps over the lazy dog. "
RATE = 24_000
TEN_MINUTES_BYTES = 600 * RATE * 2


@pytest.fixture(scope="module")
def once(voiced: Service) -> bytes:
    """SAID, and a second of silence: PCM."""
    return say(voiced, SAID) + bytes(RATE * 2)


def is_all(text: str, times: int) -> bool:
    """Nothing was left out or said twice; one word or another may be heard as its like, each time that it is said."""
    said, heard = words(SAID) * times, words(text)
    known = sum(min(heard.count(word), said.count(word)) for word in set(said))
    return known >= 0.8 * len(said) and abs(len(heard) - len(said)) <= 0.1 * len(said)


def test_as_a_file(voiced: Service, once: bytes) -> None:
    times = TEN_MINUTES_BYTES // len(once)
    file = wav(at_rate(once, RATE, 16_000) * times)
    assert is_all(hear(voiced, file), times)


def test_as_a_turn(voiced: Service, once: bytes) -> None:
    times = TEN_MINUTES_BYTES // len(once)
    with conversing(voiced, audio=PUSH_TO_TALK) as talk:
        for pcm, count in ((once * times, times), (once, 1)):  # and then a short one
            talk.speak(pcm)
            talk.say("input_audio_buffer.commit")
            heard = talk.until("conversation.item.input_audio_transcription.completed")
            assert is_all(heard["transcript"], count)
