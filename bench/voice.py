"""How soon a voice is ready, hears and speaks, and how much of what is said is heard right.

    python bench/voice.py [--turns N] [--out DIR]

The parents of voices are the service's own; this script is the reaper and the instance to their children, so that what
is timed is the voice alone: nothing is traced. Sound is fed as fast as it is spoken, which takes four minutes in all.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

from facts import ROOT, facts, publish

sys.path.insert(0, str(ROOT / "tests"))  # how what was said is compared with what was heard, shared with the tests
from noghost.config import Config
from noghost.messages import MAX_BYTES, Answer, Birth, Bring, Gate, Open, Opened, Voice, pack, unpack
from noghost.reaper.arenas import Arena, zero_arena
from noghost.reaper.spawn import connected
from noghost.speech.frames import RATE_HZ, SOUND_RATE
from noghost.speech.hearing import hearing
from noghost.speech.speaking import speaking
from noghost.voice.start import find_all, folder_of, start, wait_until_ready
from speech.voiced import at_rate, words

STEP_S = 0.02  # of sound, fed at once
SENTENCES = json.loads((ROOT / "bench" / "voice_sentences.json").read_text("utf-8"))
RECORDED = json.loads((ROOT / "bench" / "voice_recorded.json").read_text("utf-8"))  # file to its words


class Parents:
    """Of both voices."""

    def __init__(self) -> None:
        voices = find_all()
        pairs = [connected() for _ in voices]
        started = [
            start(voice, there, 0, os.getpid(), Config()) for voice, (_, there) in zip(voices, pairs, strict=True)
        ]
        self.asked = [here for here, _ in pairs]
        wait_until_ready(started)

    @contextlib.contextmanager
    def bring(self, voice: Voice) -> Iterator[tuple[tuple[int, int, int], float]]:
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
            yield (memory, hears, rings), time.perf_counter() - began
            while line.recv(MAX_BYTES):
                pass
        arena.wipe(zero_arena)


async def heard(parents: Parents, pcm: bytes) -> tuple[str, float, float]:
    """(text, seconds until ready, seconds from the last sample to the text); fed as fast as it is spoken."""
    with parents.bring(Voice.EAR) as (brought, ready_s):
        async with hearing(brought, lambda: None) as ear:
            step = int(STEP_S * SOUND_RATE) * 2
            began = time.perf_counter()
            for number, at in enumerate(range(0, len(pcm), step)):
                await asyncio.sleep(max(0.0, began + number * STEP_S - time.perf_counter()))
                await ear.feed(pcm[at : at + step])
            released = time.perf_counter()
            text = await ear.finish()
            return text, ready_s, time.perf_counter() - released


async def spoken(parents: Parents, text: str) -> tuple[bytes, float, float]:
    """(PCM, seconds until ready, seconds from the sentence to the first sound)."""
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


def errors(said: Sequence[str], understood: Sequence[str]) -> int:
    """Words to change, add or leave out: Levenshtein's distance."""
    row = list(range(len(understood) + 1))
    for at, one in enumerate(said, 1):
        before, row[0] = row[0], at
        for other, there in enumerate(understood, 1):
            before, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, before + (one != there))
    return row[-1]


def recorded(name: str) -> bytes:
    """One of the recordings that the ear's wheel brings, at the rate of an ear."""
    with wave.open(str(folder_of("moonshine_voice") / "assets" / name)) as file:
        pcm = file.readframes(file.getnframes())
        if file.getnchannels() == 2:
            pcm = b"".join(pcm[at : at + 2] for at in range(0, len(pcm), 4))
        return at_rate(pcm, file.getframerate(), SOUND_RATE)


def row(name: str, values: Sequence[float]) -> str:
    """Of the table."""
    late_s = sorted(values)[int(0.95 * (len(values) - 1))]
    return f"| {name} | {statistics.median(values):.3f} s | {late_s:.3f} s | {len(values)} |"


async def measure(parents: Parents, turns: int) -> list[str]:
    """The table."""
    ears, mouths, releases, firsts = [list[float]() for _ in range(4)]
    wrong = count = 0
    for sentence in SENTENCES[:turns]:
        pcm, ready_s, first_s = await spoken(parents, sentence)
        mouths.append(ready_s)
        firsts.append(first_s)
        text, ready_s, release_s = await heard(parents, at_rate(pcm, RATE_HZ, SOUND_RATE))
        ears.append(ready_s)
        releases.append(release_s)
        wrong += errors(words(sentence), words(text))
        count += len(words(sentence))
    rows = ["| | median | p95 | turns |", "|---|---|---|---|"]
    rows += [row("an ear is ready", ears), row("a mouth is ready", mouths)]
    rows += [row("last sample to text", releases), row("sentence to first sound", firsts)]
    rows += ["", f"Words heard wrong of {count} that were spoken here: {100 * wrong / count:.1f} %."]
    for name, text in RECORDED.items():
        got, _, _ = await heard(parents, recorded(name))
        rows.append(
            f"Of {name}: {100 * errors(words(text), words(got)) / len(words(text)):.1f} % of {len(words(text))}."
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=len(SENTENCES))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_CACHE_HOME"] = home
        rows = asyncio.run(measure(Parents(), options.turns))
    print("\n".join(rows))
    if options.out:
        publish(options.out, "voice", "Voice", rows, facts())


if __name__ == "__main__":
    main()
