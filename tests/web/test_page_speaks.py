"""The page speaks with /v1/realtime, in a real Chromium whose microphone is a file."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Service, title, wait_for
from speech.voiced import needs_voice, say, voices, words
from web.talking import FAKE_DEVICE, Talk, launched, recorded, silence, speaker
from web.test_page_conversation import LEFT, NOTHING, serious
from web.test_page_sealed import seal
from web.visiting import SHORT, Visitor

pytestmark = [needs_voice, pytest.mark.slow]
AGAIN = "And what about Italy?"
STORY = 120  # tokens: takes longer to say than anybody here waits
TALE = "Whatever you are asked, tell a very long story about a fox."
GONE_S = 10.0
KEPT_TRACK = """const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (how) => {
  const stream = await ask(how);
  [globalThis.track] = stream.getAudioTracks();
  globalThis.asked = how;
  return stream;
};"""

UNDERSTOOD = """Page.conversation().path().filter(({ role, caption }) => role === "user" && !caption)
  .map(({ text }) => text)"""
# The worklet's own text, outside of its thread: a second of a tone at one rate; how loud it is at 24 kHz, and how many.
RESAMPLED = """((rate, hertz) => {
  const samples = [];
  const port = { postMessage: (buffer) => samples.push(...new Int16Array(buffer)) };
  globalThis.sampleRate = rate;
  globalThis.AudioWorkletProcessor = class { port = port; };
  globalThis.registerProcessor = (_name, kind) => (globalThis.capture = new kind());
  captureWorklet();
  for (let at = 0; at < rate; at += 128) {
    const piece = Float32Array.from({ length: 128 }, (_, step) => Math.sin((2 * Math.PI * hertz * (at + step)) / rate));
    capture.process([[piece]]);
  }
  const middle = samples.slice(2000, 20000);
  return [Math.sqrt(middle.reduce((sum, one) => sum + one * one, 0) / middle.length) / 32767, samples.length];
})"""


@pytest.fixture(scope="module")
def asked(voiced: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SHORT, spoken; and AGAIN, while it is answered."""
    parts = (silence(0.2), say(voiced, SHORT), silence(4), say(voiced, AGAIN), silence(4))
    return recorded(tmp_path_factory.mktemp("sound") / "asked.wav", *parts)


@pytest.fixture(scope="module")
def caller(visitor: Visitor, chromium: str, asked: Path) -> Iterator[Visitor]:
    """A browser whose microphone is that."""
    with speaker(visitor.kind, chromium, asked) as found:
        yield found


def nobody(service: Service) -> None:
    wait_for(lambda: not service.instances() and not voices(service), GONE_S, "everybody to be gone")


ASKED_S = 2.4  # until SHORT was said


def test_hold_to_speak_and_hear_an_answer(caller: Visitor, voiced: Service, tmp_path: Path) -> None:
    with caller.visit(voiced.url) as visit:
        talk = Talk(visit)
        visit.page.add_init_script(KEPT_TRACK)
        visit.go(voiced.url)
        visit.set(max_tokens=16)
        talk.press()
        visit.page.wait_for_selector(".turn.user .wait")
        visit.page.wait_for_selector("#talk [aria-label='Your microphone']:not([aria-valuenow='0'])")
        talk.until_said(ASKED_S)
        assert talk.phase == "Listening: let go to send"
        assert visit.page.get_attribute("#room", "data-state") == "alive"
        assert serious(visit) == []
        sent = len(talk.sound)
        talk.let_go()
        talk.until_came("input_audio_buffer.committed")
        assert len(talk.sound) - sent >= 0.25 * 48_000, "the last syllable is not cut"
        talk.until_sounding()
        assert visit.text(".turn.assistant .wait"), "what is still to be heard"
        talk.until_silent()
        assert words(visit.text(".turn.user .body")) == words(SHORT)
        said = next(event for event in talk.came if event["type"] == "response.output_audio_transcript.done")
        assert visit.run("Page.conversation().last().text") == said["transcript"]
        assert visit.text(".turn.assistant .facts") == "spoken: no receipt is checked here"
        assert visit.page.get_attribute("#room", "data-state") == "empty"
        assert visit.run("track.readyState") == "ended", "the microphone is closed"
        assert visit.run("asked.audio.echoCancellation && asked.audio.noiseSuppression")
        asked_for = [request for request in visit.requests if "blob:" not in request]
        assert asked_for == [f"GET {voiced.url}/", f"GET {voiced.url}/v1/models"] * 2, "nothing more to speak"
        nobody(voiced)
        visit.set(max_tokens=4)
        visit.ask(AGAIN)
        assert visit.wait_for_verdict(2) == "checked", "and on by text"
        assert len(visit.page.locator(".turn").all()) == 4
        saved = visit.save(tmp_path).read_text()
        assert saved.startswith("# Voice Conversation: smollm2-135m-instruct\n")
        assert said["transcript"].strip() in saved
        assert visit.run(LEFT) == NOTHING


def test_who_interrupts_hears_no_more_and_keeps_what_was_heard(
    caller: Visitor, voiced: Service, tmp_path: Path
) -> None:
    with caller.visit(voiced.url) as visit:
        talk = Talk(visit)
        visit.set(max_tokens=STORY, system=TALE)
        talk.hold(ASKED_S)
        talk.until_sounding()
        visit.page.wait_for_selector(".turn.assistant .firm:not(:empty)")
        written = visit.text(".turn.assistant .body")
        visit.set(max_tokens=8)
        talk.press()
        talk.until_came("conversation.item.retrieved")
        cut = next(event["item"] for event in talk.came if event["type"] == "conversation.item.retrieved")
        heard = cut["content"][0]["transcript"]
        visit.page.wait_for_selector(".turn.assistant .note")
        assert visit.text(".turn.assistant .note") == "You interrupted it: what was not heard is dropped."
        assert visit.text(".turn.assistant .body") == heard
        assert written.startswith(heard[:10])
        assert len(heard) < len(written)
        talk.until_said(0.5)
        talk.let_go()
        talk.until_silent()
        assert talk.types().count("session.created") == 1, "in the same session"
        assert written[-12:] not in visit.save(tmp_path).read_text()


def test_hands_free_by_the_keyboard_alone(caller: Visitor, voiced: Service) -> None:
    """Space latches; speech interrupts; Escape ends it."""
    with caller.visit(voiced.url) as visit:
        talk = Talk(visit)
        visit.set(max_tokens=STORY, system=TALE)
        visit.page.locator("#ask").focus()
        visit.page.keyboard.press("Space")
        assert (visit.page.input_value("#ask"), visit.page.is_visible("#talk")) == (" ", False), "a field has its own"
        visit.page.fill("#ask", "")
        visit.page.keyboard.press("Tab")
        assert visit.run("document.activeElement.id") == "speak"
        assert visit.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        visit.page.keyboard.press("Space")
        visit.page.wait_for_selector("#speak[data-on=true]")
        talk.until_sounding()
        talk.until_came("conversation.item.input_audio_transcription.completed", 2)
        talk.until(lambda: visit.run(f"({UNDERSTOOD}).length") == 2, "both of them")
        first, second = visit.run(UNDERSTOOD)
        assert words(first) == words(SHORT)
        assert "italy" in words(second)
        assert "You interrupted it" in visit.text("#thread")
        visit.page.keyboard.press("Escape")
        talk.until_silent()
        nobody(voiced)


def test_mute_sends_silence(caller: Visitor, voiced: Service) -> None:
    with caller.visit(voiced.url) as visit:
        talk = Talk(visit)
        visit.page.click("#speak")
        talk.until_said(1.2)
        assert any(talk.sound), "control"
        visit.page.click("#talk button >> nth=0")
        assert talk.phase == "Muted: nothing you say is sent"
        talk.until_said(0.4)  # what was on its way
        before = len(talk.sound)
        talk.until_said(0.8)
        assert not any(talk.sound[before:])
        visit.page.click("#talk button >> nth=1")
        talk.until_silent()


def test_what_breaks_is_told_and_nothing_is_lost(caller: Visitor, voiced: Service) -> None:
    """A device that goes in the midst of a turn, an error of the service's, and its end."""
    with caller.visit(voiced.url) as visit:
        talk = Talk(visit)
        visit.page.add_init_script(KEPT_TRACK)
        visit.go(voiced.url)
        visit.set(max_tokens=4)
        talk.press()
        talk.until_said(ASKED_S)
        visit.run("track.dispatchEvent(new Event('ended'))")
        talk.until_came("response.done")
        assert visit.text("#notice").startswith("The microphone has gone.")
        assert words(visit.text(".turn.user .body")) == words(SHORT)
        talk.let_go()
        talk.until_silent()
        nobody(voiced)
        visit.set(max_tokens=STORY, system=TALE)
        talk.hold(ASKED_S)
        conversation = next(pid for pid in voiced.instances() if title(pid) == "noghost: instance")
        talk.until_sounding()
        os.kill(conversation, signal.SIGKILL)  # it lives until all of the answer was heard
        talk.until_silent()
        broke = "The connection to the service broke."
        assert visit.text("#notice") == broke
        assert words(visit.text(".turn.assistant .body >> nth=-1")), "what came before is kept"
        nobody(voiced)
        visit.page.click("#configure")
        visit.page.fill("#system", "word " * 9000)
        visit.page.click("#configure")
        talk.hold(ASKED_S)
        visit.page.wait_for_selector(".note.wrong")
        assert "context" in visit.text(".note.wrong")
        assert visit.text(".note.wrong").endswith("Your question is kept.")
        assert words(visit.text(".turn.user .body >> nth=-1")) == words(SHORT)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
def test_the_microphone_at_any_rate_is_24_khz(visitor: Visitor, voiced: Service, rate: int) -> None:
    with visitor.visit(voiced.url) as visit:
        loud, count = visit.run(f"{RESAMPLED}({rate}, 1000)")
        assert loud == pytest.approx(0.5**0.5, rel=0.01)
        assert count == pytest.approx(24_000, abs=1000), "the last piece may not be full"
        if rate > 40_000:
            assert visit.run(f"{RESAMPLED}({rate}, 15_000)")[0] < 0.001, "what 24 kHz cannot carry is not folded back"


@pytest.mark.parametrize(
    ("device", "why"),
    [(FAKE_DEVICE, "The microphone is not allowed here."), ((), "There is no microphone here.")],
    ids=["denied", "none"],
)
def test_no_microphone(visitor: Visitor, chromium: str, voiced: Service, device: tuple[str, ...], why: str) -> None:
    with launched(visitor.kind, chromium, *device) as asked_by, asked_by.visit(voiced.url) as visit:
        visit.page.click("#speak")
        visit.page.wait_for_selector("#notice:not(:empty)")
        assert visit.text("#notice").startswith(why)
        assert not visit.page.is_visible("#talk")
        nobody(voiced)
        visit.set(max_tokens=4)
        assert visit.answer(SHORT)


def test_a_sealed_page_does_not_speak(caller: Visitor, voiced: Service) -> None:
    with caller.visit(voiced.url) as visit:
        talk = Talk(visit)
        visit.page.wait_for_selector("#seal:enabled", state="attached")
        seal(visit)
        visit.page.click("#speak")
        assert "a sealed page does not speak" in visit.text("#notice")
        assert (talk.sent, visit.page.is_visible("#talk")) == ([], False)
        seal(visit)
        talk.press()
        talk.until_said(0.5)
        talk.let_go()


def test_no_button_where_there_is_no_voice(visitor: Visitor, service: Service, voiced: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.page.click("#configure")
        assert visit.text("#speak-why") == "This service has no voice: it was started without --voice."
        assert visit.page.locator("#speak").count() == 0
    with visitor.visit(voiced.url) as visit:
        visit.page.add_init_script("Object.defineProperty(globalThis, 'isSecureContext', { value: false })")
        visit.go(voiced.url)
        visit.page.click("#configure")
        assert visit.text("#speak-why") == "Over plain HTTP a browser gives a page no microphone: use TLS."
        assert visit.page.locator("#speak").count() == 0
