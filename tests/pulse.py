"""A microphone and a speaker without hardware: a PulseAudio of the test's own, of this user, with two null sinks.

What is played into `mic` is heard by its monitor, the microphone; what a program plays goes to `ears`, whose monitor is
recorded.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from running import wait_for

PACKAGES = {"pulseaudio": "pulseaudio", "pactl": "pulseaudio-utils", "pacat": "pulseaudio-utils"}
MISSING = sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})
MISSING += [] if ctypes.util.find_library("portaudio") else ["libportaudio2"]
MISSING += [] if importlib.util.find_spec("sounddevice") else ["sounddevice"]
MISSING += [] if list(Path("/usr/lib").rglob("libasound_module_pcm_pulse.so")) else ["libasound2-plugins"]
needs_pulse = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
PCM = ("--raw", "--format=s16le", "--rate=24000", "--channels=1")
SINKS, FORM = ("mic", "ears"), ("rate=24000", "channels=1")
ALONE = (
    "--daemonize=no",
    "--exit-idle-time=-1",
    "--use-pid-file=no",
    "--disable-shm=yes",
    "--realtime=no",
    "--high-priority=no",
)


@dataclass
class Room:
    """`env` is of a program that is to be in it: its device `pulse` is that microphone and that speaker."""

    process: subprocess.Popen[bytes]
    folder: Path
    env: dict[str, str] = field(repr=False)

    def say(self, pcm: bytes) -> None:
        """Into the microphone; returns when it has been said."""
        subprocess.run(["pacat", "--playback", *PCM, "--device=mic"], input=pcm, env=self.env, check=True, timeout=60)

    @contextmanager
    def heard(self) -> Iterator[Path]:
        """A file with all that is played in this block."""
        path = self.folder / "heard"
        with path.open("wb") as file:
            process = subprocess.Popen(
                ["pacat", "--record", *PCM, "--latency-msec=20", "--device=ears.monitor"], stdout=file, env=self.env
            )
            try:
                wait_for(lambda: path.stat().st_size, 10, "the recording to begin")
                yield path
            finally:
                process.terminate()
                process.wait()

    def control(self, *arguments: str) -> str:
        """pactl."""
        return subprocess.run(
            ["pactl", *arguments], env=self.env, check=True, capture_output=True, text=True, timeout=20
        ).stdout

    def unplug(self) -> None:
        """Both are gone; of one alone PulseAudio would move the sound to the other."""
        self.control("unload-module", "module-null-sink")

    def plug_in(self) -> None:
        """They are there again."""
        for sink in SINKS:
            self.control("load-module", "module-null-sink", f"sink_name={sink}", *FORM)


@contextmanager
def room(folder: Path) -> Iterator[Room]:
    """Ended with the block, by its process id."""
    folder.mkdir(mode=0o700)
    own = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PULSE_RUNTIME_PATH": str(folder)}
    socket = folder / "native"
    sinks = [f"load-module module-null-sink sink_name={sink} {' '.join(FORM)}" for sink in SINKS]
    setup = [*sinks, f"load-module module-native-protocol-unix socket={socket} auth-anonymous=1", ""]
    (folder / "default.pa").write_text("\n".join(setup))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["pulseaudio", "-n", "-F", str(folder / "default.pa"), *ALONE], env=os.environ | own, stderr=log
        )
    there = {"PULSE_SERVER": f"unix:{socket}", "PULSE_SOURCE": "mic.monitor", "PULSE_SINK": "ears"}
    there["PULSE_COOKIE"] = str(folder / "cookie")
    try:
        wait_for(lambda: socket.exists() or process.poll() is not None, 20, "PulseAudio")
        assert process.poll() is None, (folder / "log").read_text()
        yield Room(process, folder, os.environ | there)
    finally:
        process.terminate()
        process.wait()
