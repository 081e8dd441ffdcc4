"""Start the parents of voices. In the warden, before it loads anything.

Covered: a parent's environment is a short list, without a home directory: onnxruntime from 1.29 on writes a device's
name and events there and tries to send them.
Not covered: what a parent's program does; it is confined in its children only.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from noghost.config import Config
from noghost.errors import HostError
from noghost.messages import MAX_BYTES
from noghost.voice.find import VOICE, Voiced, install
from noghost.voice.plan import READY, Plan

KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TZ")
# One thread each: what a library's pool holds at a fork is lost to the child. The last is for a newer onnxruntime.
SET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "ORT_DISABLE_TELEMETRY": "1"}
LOAD_S = 60.0


@dataclass(frozen=True, slots=True)
class Started:
    """A parent that loads."""

    pid: int
    ready: int  # becomes readable when it has loaded, or cannot


def start(found: Voiced, births: socket.socket, model: int, reaper_pid: int, config: Config) -> Started:
    """The program; `births` is its end of the socket to the reaper, and closed here."""
    reading, writing = os.pipe()
    plan = Plan(
        births.fileno(),
        writing,
        reaper_pid,
        model,
        found.weights,
        found.digest,
        config.without,
        config.limits,
    )
    for descriptor in (plan.births, plan.ready):
        os.set_inheritable(descriptor, True)
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | SET
    pid = os.posix_spawn(sys.executable, [sys.executable, "-m", found.module, plan.render()], environment)
    births.close()
    os.close(writing)
    return Started(pid, reading)


def wait_until_ready(parents: Sequence[Started]) -> None:
    """Until each has loaded. Raises HostError with what it said, if one cannot."""
    for parent in parents:
        said = b""
        if select.select([parent.ready], [], [], LOAD_S)[0]:
            said = os.read(parent.ready, MAX_BYTES)
        os.close(parent.ready)
        if said != READY:
            raise HostError(f"a voice did not start: {said.decode(errors='replace') or 'it ended'}", install(VOICE))
