"""What lives between invocations, read from outside: /proc and the ledger, nothing that the service says of itself."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

CHECKPOINT = "checkpoint"  # the ledger's newest signed checkpoint: src/noghost/ledger/store.py
ROLE = re.compile(rb"^noghost: (door|warden|reaper|connector|instance)\0*$")
TICK_HZ = 100  # USER_HZ: the unit of utime and stime in /proc/PID/stat on every Linux


@dataclass(frozen=True, slots=True)
class Process:
    """One of our processes as it is now."""

    pid: int
    parent: int
    role: str  # door, warden, reaper, connector or instance
    private_bytes: int  # anonymous memory that is its alone; 0 where it may not be read


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process did while it was watched."""

    wakeups: int  # times it was scheduled: voluntary and involuntary context switches
    cpu_ms: float  # in steps of 10 ms


@dataclass(frozen=True, slots=True)
class Status:
    """The gap, seen from outside."""

    last_end_s: float | None  # Unix time of the ledger's last checkpoint; None before the first invocation
    now_s: float
    processes: tuple[Process, ...]
    activity: dict[int, Activity]  # by pid, of all but instances
    watched_s: float

    @property
    def gap_s(self) -> float | None:
        """How long there has been nothing; None while an instance is alive and before the first."""
        return None if self.last_end_s is None or self.instances else max(0.0, self.now_s - self.last_end_s)

    @property
    def instances(self) -> int:
        """How many are alive."""
        return sum(process.role == "instance" for process in self.processes)


def look(ledger: Path, watch_s: float) -> Status:
    """See what is there, watch it for `watch_s` seconds, say what it did."""
    before = {process.pid: counters(process.pid) for process in processes() if process.role != "instance"}
    time.sleep(watch_s)
    activity = {pid: difference(old, counters(pid)) for pid, old in before.items()}
    return Status(last_end(ledger), time.time(), tuple(processes()), activity, watch_s)


def processes() -> list[Process]:
    """Every live process of ours, by its title; zombies have none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (role := ROLE.match(read(entry / "cmdline"))):
            fields = stat_fields(entry)
            parent = int(fields[1]) if fields else 0
            found.append(Process(int(entry.name), parent, role[1].decode(), private_bytes(entry)))
    return sorted(found, key=lambda process: process.pid)


def last_end(ledger: Path) -> float | None:
    """When the ledger signed its last checkpoint, which it does at every end."""
    try:
        return (ledger / CHECKPOINT).stat().st_mtime
    except FileNotFoundError:
        return None


def private_bytes(entry: Path) -> int:
    """Private_Dirty of smaps_rollup: mapped files, the weights among them, are the page cache's."""
    found = re.search(rb"^Private_Dirty: +(\d+) kB", read(entry / "smaps_rollup"), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def counters(pid: int) -> tuple[int, int]:
    """(context switches, clock ticks) of all threads so far; zeros once it is gone."""
    switches = ticks = 0
    for task in Path(f"/proc/{pid}/task").glob("*"):
        switches += sum(map(int, re.findall(rb"ctxt_switches:\t(\d+)", read(task / "status"))))
        fields = stat_fields(task)
        ticks += int(fields[11]) + int(fields[12]) if fields else 0
    return switches, ticks


def difference(old: tuple[int, int], new: tuple[int, int]) -> Activity:
    """What happened between two readings."""
    return Activity(max(0, new[0] - old[0]), max(0, new[1] - old[1]) * 1000 / TICK_HZ)


def stat_fields(entry: Path) -> list[str]:
    """The fields of a stat file from the state on: 0 is the state, 1 the parent, 11 and 12 the clock ticks."""
    return read(entry / "stat").rpartition(b")")[2].decode().split()


def read(path: Path) -> bytes:
    """A file of /proc; empty where it is gone or may not be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
