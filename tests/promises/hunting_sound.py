"""The hunt for sound, and for what was heard and said: what is looked for, and where."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from noghost.client.hunt import Needle, count_in_pid
from noghost.client.hunt.files import changed_since, count_in_file, in_shared_memory
from noghost.client.hunt.processes import open_for_writing
from running import Service, wait_for
from speech.voiced import parent_of, voices

KEPT = str(Path(__file__).with_name("arenas_kept.py"))
MADE_OF_SOUND = str(Path(__file__).with_name("made_of_sound.py"))
CANARY = "The purple walrus counts eleven silver lanterns at midnight."
WINDOW = 64  # samples
GONE_S = 20.0


def slow_speech(service: Service) -> socket.socket:
    """A caller that wants a lot of sound, and reads a little of it."""
    body = json.dumps({"input": f"{CANARY} " * 60, "response_format": "pcm"}).encode()
    head = "POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.connect(("127.0.0.1", service.port))
    caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert caller.recv(100)
    return caller


def needles_of(pcm: bytes) -> list[Needle]:
    """Windows of loud sound, as 16-bit and as 32-bit samples."""
    samples = [one for (one,) in struct.iter_unpack("<h", pcm)]
    found = []
    for at in range(0, len(samples) - WINDOW, len(samples) // 16):
        window = samples[at : at + WINDOW]
        if max(window) - min(window) > 2000:
            floats = [one / 32768 for one in window]
            for name, raw in (
                ("int16", pcm[2 * at : 2 * (at + WINDOW)]),
                ("float32", struct.pack(f"<{WINDOW}f", *floats)),
            ):
                found.append(Needle(raw, name, "sound", at, len(raw), 0, name))
    assert len(found) > 8
    return found


def made_of(kind: str, pcm: bytes, rate: int) -> list[Needle]:
    """Windows of what an ear makes of it, by made_of_sound.py: "samples" at its own rate, or "mel" frames."""
    command = [sys.executable, MADE_OF_SOUND, kind, str(rate)]
    lines = subprocess.run(command, input=pcm, stdout=subprocess.PIPE, timeout=60, check=True).stdout.split()
    raws = [bytes.fromhex(line.decode()) for line in lines]
    assert len(raws) > 8
    return [Needle(raw, kind, "sound", at, len(raw), 0, kind) for at, raw in enumerate(raws)]


def copies(service: Service, pids: Sequence[int], needles: Sequence[Needle]) -> int:
    """In these processes, what they can write to, shared memory, and the service's files."""
    found = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += len(count_in_pid(pid, needles))
            found += sum(len(count_in_file(file.path, needles, follow=True)) for file in open_for_writing(pid))
    return found + sum(
        len(count_in_file(path, needles)) for path in (*in_shared_memory(), *changed_since(service.home, 0))
    )


def lasting(service: Service) -> list[int]:
    """Every process that outlives an invocation."""
    return [service.pid, service.reaper_pid, parent_of(service, "ear"), parent_of(service, "mouth")]


def until_gone(service: Service) -> None:
    wait_for(lambda: not voices(service) and not service.instances(), GONE_S, "everybody to end")


def until_the_turn_is_over(service: Service) -> None:
    """Of the conversation there is one process left."""
    wait_for(lambda: not voices(service) and len(service.instances()) == 1, GONE_S, "the turn's processes to end")


def outcomes(service: Service) -> list[tuple[str, str]]:
    """(outcome, wipe) of every invocation that has ended."""
    rows = json.loads(service.noghost("receipts", "--json").stdout)
    return [(row["ended"]["outcome"], row["ended"]["wipe"]) for row in rows if row["ended"]]
