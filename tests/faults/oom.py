"""Out of memory: is an instance that the kernel kills still whole at its exit stop, so that it can be wiped?

The kernel's own reaper may free the pages of a process that it has chosen. So the witness of `tests/promises` looks
for the canary in each instance at its exit stop, before and after the wipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from faults.faults import OOM_ROOM_BYTES
from faults.field import END_S
from faults.host import memory_cgroup, oom_kills, squeeze
from promises.talking import say_long
from promises.witness import canary
from running import running, state, wait_for

WITNESS = str(Path(__file__).parents[1] / "promises" / "witness.py")


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """Instances that the kernel killed; in how many the canary was there before the wipe, and after it."""

    killed: int
    whole: int
    left: int


def measure(home: Path, rounds: int) -> OutOfMemory | str:
    """Kill that many; or why it is not possible here."""
    home.mkdir(parents=True)
    (home / "report").touch()
    command = (sys.executable, WITNESS, str(home / "report"), "on")
    with memory_cgroup(f"noghost-oom-{os.getpid()}") as (group, why_not), running(home, command=command) as service:
        if group is None:
            return why_not
        pids = []
        for _ in range(rounds):
            before = oom_kills(group)
            with say_long(service, f"My reference is {canary()}. Tell me a long story.") as call:
                pid = service.instances()[0]
                squeeze(group, pid, OOM_ROOM_BYTES)
                wait_for(lambda pid=pid: state(pid) in ("", "Z"), END_S, "the instance to end")  # type: ignore[misc]  # bound now
                with contextlib.suppress(OSError):
                    call.read_all()
            pids += [pid] * (oom_kills(group) > before)
        lines = [json.loads(line) for line in (home / "report").read_text().splitlines()]
    seen = [line for line in lines if line["pid"] in pids]
    return OutOfMemory(len(pids), sum(one["before"] > 0 for one in seen), sum(one["after"] > 0 for one in seen))
