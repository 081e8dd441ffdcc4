"""Every fault, as data: its name, how often, and the function that strikes.

A fault that the service has to survive ends with `must_serve`: the same warden answers again. One that ends the
service ends with a new start. What a fault returns says whether it could strike.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from faults.field import END_S, WAIT_S, Field
from faults.host import empty_disk, fill_disk, limited, memory_bytes, memory_cgroup, oom_kills, squeeze
from running import descriptors, state, wait_for

Strike = Callable[[Field, random.Random], str]
STRUCK, MISSED = "struck", "missed"  # missed: there was nothing to strike at that moment
OOM_ROOM_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """`needs` names what the host must have, or is empty."""

    name: str
    weight: int
    strike: Strike
    needs: str = ""


def hit_instance(number: int) -> Strike:
    """A signal to one instance, at whatever it does."""

    def strike(field: Field, chance: random.Random) -> str:
        pid = field.an_instance(chance)
        return MISSED if pid is None else send(pid, number)

    return strike


def pause_instance(field: Field, chance: random.Random) -> str:
    pid = field.an_instance(chance)
    return MISSED if pid is None else pause(pid, chance)


def pause_warden(field: Field, chance: random.Random) -> str:
    return pause(field.service.pid, chance)


def pause_reaper(field: Field, chance: random.Random) -> str:
    return pause(field.service.reaper_pid, chance)


def kill_instances(field: Field, _chance: random.Random) -> str:
    """All of them, many times: also while the reaper is at work on them."""
    found = field.service.instances()
    for pid in found * 20:
        if state(pid) not in ("", "Z"):
            send(pid, signal.SIGKILL)
    return STRUCK if found else MISSED


def end_service(*roles: str, number: int) -> Strike:
    """Warden, reaper, or both end at once; nothing is left; a new start goes on."""

    def strike(field: Field, _chance: random.Random) -> str:
        pids = {"warden": field.service.pid, "reaper": field.service.reaper_pid}
        for role in roles:
            send(pids[role], number)
        field.await_end(f"{' and '.join(roles)} got signal {number}")
        field.start()
        return STRUCK

    return strike


def stop_service(field: Field, _chance: random.Random) -> str:
    """SIGTERM in the middle of everything: running answers end first."""
    if status := field.stop():
        field.violations.append(f"SIGTERM: the service ended with {status}")
    field.start()
    return STRUCK


def drop(field: Field, chance: random.Random) -> str:
    return STRUCK if field.load.drop(chance) else MISSED


def disk_full(field: Field, chance: random.Random) -> str:
    """Births are refused while it is full, and are not when it is not."""
    fill_disk(field.disk)
    field.must_refuse("disk full")
    time.sleep(chance.random() * 0.3)
    empty_disk(field.disk)
    field.must_serve("disk full, then room again")
    return STRUCK


def sync_fails(field: Field, chance: random.Random) -> str:
    """No answer is whole while nothing can be synced; all is well afterwards."""
    began = time.monotonic()
    field.sync_flag.touch()
    time.sleep(0.02)
    certain = time.monotonic()
    field.must_refuse("sync fails")
    time.sleep(chance.random() * 0.3)
    ended = time.monotonic()
    field.sync_flag.unlink()
    unsynced = [one for one in field.load.said if one.acknowledged and one.began_s > certain and one.ended_s < ended]
    if unsynced:
        field.violations.append(f"sync fails: {len(unsynced)} answers were whole, {ended - began:.1f} s")
    field.must_serve("sync works again")
    return STRUCK


def broken_disk(break_it: Callable[[Field], None], what: str) -> Strike:
    """The reaper is killed while the ledger cannot be written: the next start says so, and one after it works."""

    def strike(field: Field, chance: random.Random) -> str:
        break_it(field)
        time.sleep(chance.random() * 0.2)
        send(field.service.reaper_pid, signal.SIGKILL)
        field.await_end(f"{what}, reaper killed")
        with contextlib.suppress(AssertionError):
            field.start()  # it may start: there may have been nothing to write
        if not field.service_runs:
            log = (field.home / "stderr").read_text()
            if "Traceback" in log or "ledger" not in log:
                field.violations.append(f"{what}: the start did not fail with a clear error")
        field.heal()
        if not field.service_runs:
            field.start()
        field.must_serve(f"{what}, reaper killed")
        return STRUCK

    return strike


def out_of_memory(field: Field, chance: random.Random) -> str:
    """The kernel kills an instance for want of memory in its cgroup."""
    pid = field.an_instance(chance)
    if pid is None:
        return MISSED
    with memory_cgroup(f"noghost-faults-{os.getpid()}") as (group, why_not):
        assert group is not None, why_not
        try:
            squeeze(group, pid, OOM_ROOM_BYTES)
            wait_for(lambda: not (group / "cgroup.procs").read_text(), END_S, "the squeezed instance to end")
        except ProcessLookupError:
            return MISSED
        return STRUCK if oom_kills(group) else MISSED


def limit_instance(kind: int) -> Strike:
    """An instance gets no more memory than it has."""

    def strike(field: Field, chance: random.Random) -> str:
        pid = field.an_instance(chance)
        if pid is None:
            return MISSED
        try:
            hard = resource.prlimit(pid, kind)[1]  # an instance has bounds of its own, which nobody may raise
            resource.prlimit(pid, kind, (memory_bytes(pid, kind), hard))
        except (ProcessLookupError, FileNotFoundError):
            return MISSED
        return STRUCK

    return strike


def out_of_descriptors(role: str) -> Strike:
    """Warden or reaper can open nothing for a moment."""

    def strike(field: Field, chance: random.Random) -> str:
        pid = field.service.pid if role == "warden" else field.service.reaper_pid
        with limited(pid, resource.RLIMIT_NOFILE, descriptors(pid)):
            time.sleep(0.05 + chance.random() * 0.3)
        field.must_serve(f"{role} out of descriptors")
        return STRUCK

    return strike


def reaper_out_of_memory(field: Field, chance: random.Random) -> str:
    """It may end of it, now or soon, as if it was killed, and then everything ends; or get through."""
    reaper = field.service.reaper_pid
    with limited(reaper, resource.RLIMIT_AS, memory_bytes(reaper, resource.RLIMIT_AS)):
        time.sleep(0.05 + chance.random() * 0.3)
    wait_for(lambda: state(reaper) in ("", "Z") or field.probe(seconds=0).status == 200, WAIT_S, "either")
    if state(reaper) in ("", "Z"):
        field.await_end("reaper out of memory")
        field.start()
    else:
        field.must_serve("reaper out of memory")
    return STRUCK


def send(pid: int, number: int) -> str:
    """A signal; one that is gone already is missed."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return MISSED
    return STRUCK


def pause(pid: int, chance: random.Random) -> str:
    """SIGSTOP, some time, SIGCONT."""
    struck = send(pid, signal.SIGSTOP)
    time.sleep(chance.random() * 0.4)
    send(pid, signal.SIGCONT)
    return struck


FAULTS = (
    Fault("instance: SIGKILL", 16, hit_instance(signal.SIGKILL)),
    Fault("instance: SIGSEGV", 10, hit_instance(signal.SIGSEGV)),
    Fault("instance: SIGSTOP, SIGCONT", 8, pause_instance),
    Fault("instances: SIGKILL, 20 times", 4, kill_instances),
    Fault("instance: RLIMIT_AS", 5, limit_instance(resource.RLIMIT_AS)),
    Fault("instance: RLIMIT_DATA", 5, limit_instance(resource.RLIMIT_DATA)),
    Fault("instance: out of memory in a cgroup", 6, out_of_memory, needs="memory cgroup"),
    Fault("warden: SIGSTOP, SIGCONT", 5, pause_warden),
    Fault("warden: SIGKILL", 3, end_service("warden", number=signal.SIGKILL)),
    Fault("warden: SIGSEGV", 2, end_service("warden", number=signal.SIGSEGV)),
    Fault("warden: SIGTERM", 2, stop_service),
    Fault("warden: out of descriptors", 3, out_of_descriptors("warden")),
    Fault("reaper: SIGSTOP, SIGCONT", 5, pause_reaper),
    Fault("reaper: SIGKILL", 3, end_service("reaper", number=signal.SIGKILL)),
    Fault("reaper: SIGSEGV", 2, end_service("reaper", number=signal.SIGSEGV)),
    Fault("reaper: out of descriptors", 3, out_of_descriptors("reaper")),
    Fault("reaper: RLIMIT_AS", 2, reaper_out_of_memory),
    Fault("warden and reaper: SIGKILL", 2, end_service("warden", "reaper", number=signal.SIGKILL)),
    Fault("connections dropped", 8, drop),
    Fault("disk full", 6, disk_full, needs="small disk"),
    Fault("disk full, reaper killed", 2, broken_disk(lambda f: fill_disk(f.disk), "disk full"), needs="small disk"),
    Fault("sync fails", 6, sync_fails, needs="failing sync"),
    Fault(
        "sync fails, reaper killed", 2, broken_disk(lambda f: f.sync_flag.touch(), "sync fails"), needs="failing sync"
    ),
)
