"""Faults at random moments of a load, and what must hold after them.

    python tests/faults/runner.py [--seed N] [--faults N] [--only NAME] [--out DIR] [--json FILE]

The sequence of faults and of requests is a function of the seed; the moments are not, and are printed. Exit status
0 when everything held. As root everything is possible; else what is not is left out, and said.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.pop(0)  # this folder: its faults.py would hide it
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
from faults import checks, oom
from faults.failing_sync import build, compiler, environment
from faults.faults import FAULTS, STRUCK, Fault
from faults.field import Field
from faults.host import adopt_orphans, memory_cgroup, small_disk
from faults.load import Load, Said, tally
from faults.report import publish_page, say
from noghost.client.hunt import Needle, count_in_pid, needles_for, new_canary
from noghost.client.hunt.tokenise import ids_from_gguf
from noghost.errors import HuntError
from noghost.weights.find import find
from promises.talking import say_long
from running import SERVE, descriptors

PAUSE_S = 0.15  # at most, between two faults
REST_EVERY = 50  # faults between two looks at everything
MUTANT = str(Path(__file__).with_name("mutant.py"))
OOM_ROUNDS = 20
SLOW_S = 25.0  # a request that took longer is worth a line


@dataclass
class Found:
    """What a run found. No content."""

    seed: int
    struck: dict[str, int] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    impossible: dict[str, str] = field(default_factory=dict)
    load: dict[str, dict[str, int]] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    entries: int = 0
    checkpoints: int = 0
    starts: int = 0
    looks: int = 0
    controls: int = 0  # looks in which the canary was found in a live instance
    lost: int = 0
    seconds: float = 0.0
    out_of_memory: dict[str, int] | str = ""
    violations: list[str] = field(default_factory=list)


class Run:
    """One run: strike, heal, look; `found` at the end."""

    def __init__(self, place: Field, needles: Sequence[Needle], seed: int) -> None:
        self.place, self.needles, self.found = place, needles, Found(seed)
        self.at_start: tuple[int, int] | None = None
        self.slow = self.failed_wipes = 0  # said so far
        self.began = time.monotonic()

    def strike_all(self, faults: Sequence[Fault], pause_s: float) -> None:
        """All of them, in their order, at moments of chance."""
        for number, fault in enumerate(faults):
            chance = random.Random(f"{self.found.seed}/fault/{number}")
            time.sleep(chance.random() * pause_s)
            self.strike(number, fault, chance)
            if number % REST_EVERY == REST_EVERY - 1:
                self.look()

    def strike(self, number: int, fault: Fault, chance: random.Random) -> None:
        """One fault; the service runs again afterwards, or the run ends here."""
        moment = time.monotonic() - self.began
        before = len(self.place.violations)
        said = fault.strike(self.place, chance)
        counts = self.found.struck if said == STRUCK else self.found.missed
        counts[fault.name] = counts.get(fault.name, 0) + 1
        if not self.place.service_runs:
            self.place.violations.append(f"{fault.name}: the service ended")
            self.place.await_end(fault.name)
            self.place.start()
        self.place.note_checkpoint()
        print(f"{number + 1:5} {moment:8.2f} s  {fault.name}: {said}", flush=True)
        if (failed := self.place.failed_wipes()) > self.failed_wipes:
            print(f"      wipes failed: {failed}", flush=True)
            self.failed_wipes = failed
        for violation in self.place.violations[before:]:
            print(f"      VIOLATION {violation}", flush=True)

    def look(self) -> None:
        """At rest: the canary is in no process and no file, descriptors are as at the start, the record holds."""
        place = self.place
        place.at_rest()
        self.control()
        place.at_rest()
        self.found.looks += 1
        slow = [one for one in place.load.said if one.ended_s - one.began_s > SLOW_S]
        for one in slow[self.slow :]:
            print(f"      slow: {one.kind}, {one.status}, began {one.began_s - self.began:.2f} s", flush=True)
        self.slow = len(slow)
        pids = [place.service.pid, place.service.reaper_pid]
        place.violations += checks.ghosts(pids, place.home, self.needles)
        self.count_descriptors(pids)
        place.violations += [f"an orphan: {pid}" for pid in place.orphans()]
        with checks.copied(place.service.ledger) as ledger:
            place.violations += checks.lost_entries(ledger.entries(), place.load.acknowledged)
        place.load.resume(place.service.port)

    def control(self) -> None:
        """The same needles find the canary in an instance that has just been told it."""
        with say_long(self.place.service, f"{self.place.load.canary} Tell me a story.") as call:
            try:
                copies = [one for pid in self.place.service.instances() for one in count_in_pid(pid, self.needles)]
            except HuntError as refused:
                self.found.impossible["looking into an instance"] = refused.message
                return
            finally:
                call.connection.close()
        self.found.controls += bool(copies)
        if not copies:
            self.place.violations.append("the canary was not found in a live instance: the search is blind")

    def count_descriptors(self, pids: Sequence[int]) -> None:
        """The first look says how many there are at rest."""
        now = (descriptors(pids[0]), descriptors(pids[1]))
        self.at_start = self.at_start or now
        if now != self.at_start:
            self.place.violations.append(f"descriptors of warden and reaper at rest: {self.at_start}, then {now}")

    def finish(self) -> Found:
        """A last look, a last stop and start, and everything that the ledger must hold."""
        place, found = self.place, self.found
        self.look()
        place.load.pause()
        place.stop()
        place.start()
        place.load.stop()
        place.stop()
        verified = place.service.noghost("receipts", "verify")
        place.violations += [f"noghost receipts verify: {verified.stderr.strip()}"] if verified.returncode else []
        with checks.copied(place.disk / "ledger") as ledger:
            entries = list(ledger.entries())
            place.violations += checks.lost_entries(entries, place.load.acknowledged)
            place.violations += checks.unpaired(entries) + checks.not_whole(ledger)
            place.violations += checks.rewritten(ledger, place.checkpoints)
        place.violations += checks.ghosts([], place.home, self.needles)
        place.violations += checks.tracebacks(place.logs) + denied_receipts(place.load.said)
        found.load, found.ends, found.lost = tally(place.load.said), checks.ends(entries), place.lost_said()
        found.acknowledged, found.entries = len(place.load.acknowledged), len(entries)
        found.checkpoints, found.starts = len(place.checkpoints), place.starts
        found.seconds = round(time.monotonic() - self.began, 1)
        found.violations = place.violations
        return found


def denied_receipts(said: Sequence[Said]) -> list[str]:
    """Acknowledged invocations of which the service said that they do not exist."""
    denied = [one.looked_up for one in said if one.status == 404 and one.looked_up.strip("0")]
    return [f"the receipt of an acknowledged invocation was denied: {one}" for one in denied]


def choose(seed: int, count: int, impossible: dict[str, str]) -> list[Fault]:
    """The faults in their order; every kind that is possible once, before chance decides."""
    chance = random.Random(f"{seed}/faults")
    possible = [fault for fault in FAULTS if fault.needs not in impossible]
    chosen = [*possible, *chance.choices(possible, [fault.weight for fault in possible], k=max(0, count))]
    chosen = chosen[:count]
    chance.shuffle(chosen)
    return chosen


def run(options: argparse.Namespace) -> Found:
    """The whole of it, in folders that are removed afterwards."""
    adopt_orphans()
    canary = new_canary()
    needles = needles_for(canary, ids_from_gguf(find(as_published=True).path, [canary])[0])
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="noghost-faults-")))
        env, flag, impossible = prepare_host(stack, home)
        command = (sys.executable, MUTANT, options.mutant, "serve") if options.mutant else SERVE
        place = Field(home / "home", Load(options.seed, canary), env, flag, command, impossible)
        place.start()
        going = Run(place, needles, options.seed)
        going.look()
        chosen = choose(options.seed, options.faults, impossible)
        if options.only:
            chosen = [fault for fault in chosen if options.only in fault.name]
        going.strike_all(chosen, options.pause)
        found = going.finish()
        found.impossible |= impossible
        if options.oom:
            measured = oom.measure(home / "oom", options.oom)
            found.out_of_memory = measured if isinstance(measured, str) else asdict(measured)
        return found


def prepare_host(stack: ExitStack, home: Path) -> tuple[dict[str, str], Path, dict[str, str]]:
    """The small disk, the failing sync, the memory cgroup; and what of it is not possible here, and why."""
    impossible: dict[str, str] = {}
    flag = home / "sync-fails"
    if why_not := stack.enter_context(small_disk(home / "home" / "noghost")):
        impossible["small disk"] = why_not
    with memory_cgroup("noghost-faults-try") as (_, why_not):
        if why_not:
            impossible["memory cgroup"] = why_not
    if compiler() is None:
        impossible["failing sync"] = "no C compiler"
        return {}, flag, impossible
    return environment(build(home), flag), flag, impossible


def main() -> int:
    options = parse()
    found = run(options)
    say(found)
    if options.json:
        options.json.write_text(json.dumps(asdict(found), indent=2) + "\n")
    if options.out:
        publish_page(options.out, found)
    return 1 if found.violations else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="faults at random moments of a load, and what must hold after them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--pause", type=float, default=PAUSE_S, help="seconds between two faults, at most")
    parser.add_argument("--only", default="", help="of the faults chosen, those with this in their name")
    parser.add_argument("--mutant", choices=("forgetful",), help="serve with a fault of its own: must be found")
    parser.add_argument("--oom", type=int, default=OOM_ROUNDS, help="instances to run out of memory; 0: none")
    parser.add_argument("--out", type=Path, help="write DIR/benchmarks/faults.md")
    parser.add_argument("--json", type=Path, help="write what was found")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
