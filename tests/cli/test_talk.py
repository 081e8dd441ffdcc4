"""`noghost talk` in a real pseudo-terminal, with a microphone and a speaker of PulseAudio's, against a real service."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from noghost.client.transcript import Transcript, TranscriptFile, Turn
from pulse import Room, needs_pulse, room
from running import Service
from speech.voiced import is_heard, needs_voice, say, speaking_service, words
from terminal import Terminal, noghost, terminal, watched

pytestmark = [needs_voice, needs_pulse, pytest.mark.slow]
ASKED = "What is the capital of France?"
LONG = "Please tell me a very long story about a fox."
ENGLISH = "Answer in English."
QUIET = bytes(48_000)  # 1 s
LOUD = 1000
FEW_WORDS, MANY_WORDS = 5, 28


@pytest.fixture(scope="module")
def asked(voiced: Service) -> bytes:
    return say(voiced, ASKED)


@pytest.fixture(scope="module")
def long(voiced: Service) -> bytes:
    return say(voiced, LONG)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Room]:
    with room(tmp_path / "room") as found:
        yield found


@contextmanager
def talk(here: Room, url: str, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Terminal]:
    """Ready for the first words."""
    command = noghost("talk", "--url", url, "--input", "pulse", "--output", "pulse", *arguments)
    with terminal(command, here.env | (env or {}), folder) as found:
        found.see("?: help")
        here.say(QUIET)  # a monitor that nobody has listened to begins late
        yield found


def bottom(seen: Terminal) -> str:
    """The line that says what a key does."""
    return seen.text.rstrip().rpartition("\n")[2]


def ask(seen: Terminal, here: Room, sound: bytes) -> None:
    """By push-to-talk; the key that ends it repeats, as one that is held down does."""
    seen.type(" ")
    seen.see(lambda: "● space: end" in bottom(seen))
    here.say(sound)
    seen.type("   ")
    seen.see(lambda: "●" not in bottom(seen))


def is_under_way(seen: Terminal) -> bool:
    """Question, bottom line, and some words of the answer."""
    return len(seen.text.rpartition("›")[2].split()) > MANY_WORDS


def answered(seen: Terminal, count: int = 1) -> None:
    """So many answers were heard to their end."""
    seen.see(lambda: seen.text.count("voice to voice") == count and "space: speak" in bottom(seen), 60)


def kept(path: Path) -> Transcript:
    return TranscriptFile(path).read()


def loud_s(pcm: bytes) -> float:
    """From the first loud sample to the last."""
    samples = array("h", pcm[: len(pcm) // 2 * 2])
    loud = [at for at, one in enumerate(samples) if abs(one) > LOUD]
    return (loud[-1] - loud[0]) / 24_000 if loud else 0.0


def is_mostly(heard: str, said: str) -> bool:
    """Whether so much of it is what was said, in its order, and no more than that: a busy machine's sound server drops
    samples, and a small ear hears police where please was said."""
    return SequenceMatcher(None, words(heard), words(said)).ratio() > 0.7


def test_push_to_talk(voiced: Service, here: Room, long: bytes, tmp_path: Path) -> None:
    """What was said is read, what was answered is heard, both are kept; of a few answers, for the small model answers
    in other languages too, which cannot be heard here."""
    arguments = ("notes.md", "--max-tokens", "24", "--system", ENGLISH)
    with talk(here, voiced.url, tmp_path, *arguments) as seen:
        assert "space: speak · smollm2-135m-instruct · notes.md" in bottom(seen)
        for number in range(1, 4):
            with here.heard() as recording:
                ask(seen, here, long)
                answered(seen, number)
                sound = recording.read_bytes()
            answer = kept(tmp_path / "notes.md").turns[-1]
            if is_heard(voiced, sound, answer.text):
                break
        else:
            raise AssertionError(seen.text)
        assert re.search(
            r"release → text [\d.]+ s, → first word [\d.]+ s, → first sound [\d.]+ s; voice to voice", seen.text
        )
        seen.type("q")
        assert seen.ends() == 0
    found = kept(tmp_path / "notes.md")
    assert (found.title, found.model) == ("Voice Conversation", "smollm2-135m-instruct")
    assert [turn.role for turn in found.turns[:3]] == ["system", "user", "assistant"]
    assert is_mostly(found.turns[1].text, LONG)
    assert found.turns[2].facts.keys() == {"began", "ended", "model"}
    assert f"› {found.turns[1].text}" in seen.text
    assert " ".join(answer.text.split()) in " ".join(seen.text.split())


def test_a_key_interrupts_and_what_was_not_heard_is_in_no_file(
    voiced: Service, here: Room, long: bytes, asked: bytes, tmp_path: Path
) -> None:
    with talk(here, voiced.url, tmp_path, "notes.md", "--max-tokens", "300", "--system", ENGLISH) as seen:
        with here.heard() as recording:
            ask(seen, here, long)
            seen.see(lambda: is_under_way(seen), 40)
            seen.type(" ")
            seen.see("—")
            sounded_s = loud_s(recording.read_bytes())
            stopped_at = recording.stat().st_size
            here.say(asked)
            seen.see(lambda: recording.stat().st_size > stopped_at + len(asked))
            assert loud_s(recording.read_bytes()[stopped_at:]) < 0.3, "it speaks on"
        seen.type("m")  # nothing was said after all
        seen.see(lambda: "muted" in bottom(seen))
        seen.type("q")
        assert seen.ends() == 0
    answer = kept(tmp_path / "notes.md").turns[2]
    assert len(kept(tmp_path / "notes.md").turns) == 3
    assert FEW_WORDS <= len(answer.text.split()) <= 5 * (sounded_s + 1), "at most five words a second"
    assert f"{answer.text.split()[-1]} —" in " ".join(seen.text.split())


def test_hands_free_speech_begins_and_interrupts(
    voiced: Service, here: Room, long: bytes, asked: bytes, tmp_path: Path
) -> None:
    arguments = ("notes.md", "--max-tokens", "300", "--system", ENGLISH, "--hands-free", "--speed", "1.5")
    with talk(here, voiced.url, tmp_path, *arguments) as seen:
        assert "● listening" in bottom(seen)
        here.say(QUIET + long + QUIET)
        seen.see(lambda: is_under_way(seen), 40)
        here.say(asked + QUIET)
        seen.see("—")
        seen.see(lambda: seen.text.count("›") == 2 and "interrupt" in bottom(seen), 40)
        seen.type("q")  # which interrupts as well
        assert seen.ends() == 0
    turns = kept(tmp_path / "notes.md").turns
    assert [turn.role for turn in turns[:4]] == ["system", "user", "assistant", "user"]
    assert is_mostly(turns[3].text, ASKED)


def test_devices_that_go_in_the_middle_and_come_back(
    voiced: Service, here: Room, long: bytes, asked: bytes, tmp_path: Path
) -> None:
    with talk(here, voiced.url, tmp_path, "notes.md", "--max-tokens", "300", "--system", ENGLISH) as seen:
        ask(seen, here, long)
        seen.see(lambda: is_under_way(seen), 40)
        here.unplug()
        seen.see("the speaker is gone")
        seen.see("the microphone is gone")
        seen.see(lambda: "space: try again" in bottom(seen))
        seen.see(lambda: (tmp_path / "notes.md").exists() and len(kept(tmp_path / "notes.md").turns) == 3)
        here.plug_in()
        seen.type(" ")
        seen.see(lambda: "● space: end" in bottom(seen))
        here.say(QUIET + QUIET + asked)
        here.unplug()
        seen.see(lambda: seen.text.count("the microphone is gone") == 2)
        seen.see(lambda: len(kept(tmp_path / "notes.md").turns) > 3, 40)
        seen.type("q")
        assert seen.ends() == 0
    assert is_mostly(kept(tmp_path / "notes.md").turns[3].text, ASKED)


def test_a_service_that_goes_and_comes_back(here: Room, asked: bytes, long: bytes, tmp_path: Path) -> None:
    """What was heard until then is kept, and the next one is told it."""
    with speaking_service(tmp_path / "first") as service:
        port = str(service.port)
        with talk(here, service.url, tmp_path, "notes.md", "--max-tokens", "300", "--system", ENGLISH) as seen:
            ask(seen, here, long)
            seen.see(lambda: is_under_way(seen), 40)
            service.process.send_signal(signal.SIGKILL)
            seen.see("the service broke the conversation off")
            assert [turn.role for turn in kept(tmp_path / "notes.md").turns] == ["system", "user", "assistant"]
            seen.type(" ")
            seen.see("no answer from http://127.0.0.1:")
            with speaking_service(tmp_path / "second", "--port", port):
                seen.type(" ")
                seen.see("the service is there again")
                ask(seen, here, asked)
                seen.see(lambda: "interrupt" in bottom(seen), 40)
                seen.type("q")
                assert seen.ends() == 0
    assert [turn.role for turn in kept(tmp_path / "notes.md").turns[:4]] == ["system", "user", "assistant", "user"]


def test_what_stands_in_a_file_is_told_and_no_word_is_no_turn(voiced: Service, here: Room, tmp_path: Path) -> None:
    """Nothing but the file is written, a chat's too."""
    turns = [Turn("user", "Hello!"), Turn("assistant", "Hello.", {"ended": "2026-03-01T14:05:12.955Z"})]
    began = "# Conversation: smollm2-135m-instruct\n*2026-03-01 14:05:00*\n\n---\n\n"
    (tmp_path / "notes.md").write_text(began + "".join(turn.render() for turn in turns))
    before = (tmp_path / "notes.md").read_bytes()
    (tmp_path / "own").mkdir()
    env = watched(here.env, tmp_path / "own")
    with talk(here, voiced.url, tmp_path, "notes.md", env=env) as seen:
        assert "› Hello!" in seen.text
        assert re.search("nothing for .* since 2026-03-01", seen.text)
        ask(seen, here, QUIET)
        seen.see("no word was heard")
        seen.type("\x03")
        assert seen.ends() == 0
    assert (tmp_path / "notes.md").read_bytes() == before
    assert [path for path in (tmp_path / "own").rglob("*") if path.is_file()] == []


def refused(here: Room, *arguments: str, env: dict[str, str] | None = None, folder: Path) -> str:
    """What it says, and that it ends."""
    with terminal(noghost("talk", *arguments), here.env | (env or {}), folder) as seen:
        assert seen.ends() == 1
        return " ".join(seen.text.split())


def test_what_it_lacks_it_says(service: Service, voiced: Service, here: Room, tmp_path: Path) -> None:
    pulse = ("--input", "pulse", "--output", "pulse")
    mute = refused(here, "--url", service.url, *pulse, folder=tmp_path)
    assert "neither hears nor speaks" in mute
    assert "hint: start it with --voice" in mute
    wrong = refused(here, "--url", voiced.url, *pulse, "--voice", "walrus", folder=tmp_path)
    assert "the service says: there is no such voice" in wrong
    nobody = refused(here, "--url", voiced.url, "--input", "walrus", folder=tmp_path)
    assert "cannot open the microphone walrus" in nobody
    assert "hint: --devices" in nobody
    here.unplug()
    gone = refused(here, "--url", voiced.url, *pulse, folder=tmp_path)
    assert "cannot open the microphone pulse" in gone


def test_devices_and_programs(here: Room, tmp_path: Path) -> None:
    listed = subprocess.run(noghost("talk", "--devices"), env=here.env, capture_output=True, text=True, timeout=60)
    assert re.search(r"^ +\d+  pulse +microphone.*, speaker", listed.stdout, re.MULTILINE)
    assert listed.stderr == ""
    code = "import sys; sys.modules['sounddevice'] = None; from noghost.cli.main import main; main()"
    without = subprocess.run([sys.executable, "-c", code, "talk"], capture_output=True, text=True, timeout=60)
    assert without.stderr == "noghost: noghost talk lacks sounddevice\nhint: pip install 'noghost[voice]'\n"
    piped = subprocess.run(noghost("talk"), env=here.env, capture_output=True, text=True, timeout=60)
    assert "for a person at a terminal" in piped.stderr
