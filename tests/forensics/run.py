"""Whole-machine forensics: what is left in a computer's physical memory after a conversation?

    python tests/forensics/run.py [--only NAME]… [--init-on-free 0|1] [--out DIR] [--evidence DIR] [--worktree]

Boots a small Debian guest in QEMU for each row, talks to what runs in it, and searches the guest's whole memory from
the host: in the middle of an answer (control), and 2 s after everything has ended. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src")]

from image import Image, build, code_disk, missing  # noqa: E402  after the path
from look import Copy, Said, needles_of, search, tally, unknown_before  # noqa: E402
from machine import Machine, accelerator_that_works, machine  # noqa: E402
from report import publish  # noqa: E402
from subjects import SUBJECTS, Subject  # noqa: E402

from noghost.client.hunt import count_in_file  # noqa: E402
from noghost.weights.find import find  # noqa: E402

SETTLE_S = 2.0
GONE_S = 300.0


@dataclass
class Row:
    """One measurement: what was examined, and the copies found."""

    subject: str
    means: str
    init_on_free: int
    commit: str
    kernel: str
    accelerator: str
    during: dict[str, int] = field(default_factory=dict)  # where: copies, in the middle of an answer
    after: dict[str, int] = field(default_factory=dict)
    after_what: dict[str, int] = field(default_factory=dict)  # "canary utf-8": copies
    disk: int = 0
    needles: int = 0
    took_s: float = 0.0


@dataclass(frozen=True)
class Bench:
    """What all rows share."""

    image: Image
    code: Path
    accelerator: str
    folder: Path
    commit: str
    evidence: Path | None


def measure(bench: Bench, subject: Subject, init_on_free: int) -> Row:
    """Boot, talk and look in the middle, wait, look, look at the disk."""
    began_s = time.monotonic()

    def note(what: str) -> None:
        print(f"  {name}: {what} after {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)

    name = f"{subject.name}-{init_on_free}"
    memory = memory_folder() / f"noghost-forensics-{bench.folder.name}-{name}"
    words = f"init_on_free={init_on_free}"
    with machine(bench.image, bench.code, bench.accelerator, bench.folder / name, memory, words) as guest:
        kernel = guest.do("run", argv=["uname", "-r"]).strip()
        row = Row(subject.name, subject.means, init_on_free, bench.commit, kernel, bench.accelerator)
        before = snapshot(guest)
        note("booted")
        during: list[Copy] = []
        said = subject.talk(guest, lambda one: during.extend(look_for(guest, [one], answers=False)))
        note("said everything")
        settle(guest)
        needles = unknown_before(needles_of(said, find(as_published=True).path), before)
        after = search(guest, needles)
        note("searched")
        row.during, row.after = tally(during), tally(after)
        row.after_what = kinds(after)
        row.needles = len(needles)
        row.disk = len(count_in_file(guest.disk, needles))
    row.took_s = round(time.monotonic() - began_s, 1)
    keep_evidence(bench, name, {"during": during, "after": after})
    return row


def look_for(guest: Machine, said: Sequence[Said], *, answers: bool) -> list[Copy]:
    return search(guest, needles_of(said, find(as_published=True).path, answers=answers))


def snapshot(guest: Machine) -> Path:
    """Memory before anything is said, as a copy with holes; removed with the memory itself."""
    copy = guest.before
    with guest.stopped() as memory:
        subprocess.run(["cp", "--sparse=always", str(memory), str(copy)], check=True)
    return copy


def settle(guest: Machine) -> None:
    """Until no instance is left, then 2 s; what is on its way to the disk goes there."""
    deadline = time.monotonic() + GONE_S
    while "noghost: instance" in guest.do("titles") and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(SETTLE_S)
    guest.do("sync")


def kinds(copies: Sequence[Copy]) -> dict[str, int]:
    """How many copies of what, in which encoding."""
    counted: dict[str, int] = {}
    for one in copies:
        key = f"{one.what} {one.encoding}"
        counted[key] = counted.get(key, 0) + 1
    return dict(sorted(counted.items()))


def keep_evidence(bench: Bench, name: str, found: dict[str, list[Copy]]) -> None:
    """Every copy with its page and what stands around it."""
    if bench.evidence:
        bench.evidence.mkdir(parents=True, exist_ok=True)
        told = {when: [asdict(one) for one in copies] for when, copies in found.items()}
        (bench.evidence / f"{name}.json").write_text(json.dumps(told, indent=1))


def memory_folder() -> Path:
    """In memory if there is room, so that the guest's memory is not written to a disk all the time."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and shutil.disk_usage(shared).free > 4 << 30 else Path(tempfile.gettempdir())


def commit(worktree: bool) -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return (done.stdout.strip() or "unknown") + "+" * worktree


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and on the way out, end the guest
    parser = argparse.ArgumentParser(description="what is left in a machine's memory after a conversation")
    parser.add_argument("--only", action="append", choices=[subject.name for subject in SUBJECTS])
    parser.add_argument("--init-on-free", type=int, action="append", choices=(0, 1))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    parser.add_argument("--evidence", type=Path, help="a folder for each copy with what stands around it")
    parser.add_argument("--worktree", action="store_true", help="the sources as they lie here, not as committed")
    parser.add_argument("--accelerator", choices=("kvm", "tcg"), help="do not try")
    options = parser.parse_args()
    if packages := missing():
        sys.exit(f"missing: {' '.join(packages)}\nhint: run as root: apt-get install {' '.join(packages)}")
    image = build()
    accelerator = options.accelerator or accelerator_that_works(image)
    print(f"accelerator: {accelerator}", flush=True)
    with tempfile.TemporaryDirectory(prefix="noghost-forensics-") as name:
        folder = Path(name)
        code = code_disk(folder, worktree=options.worktree)
        bench = Bench(image, code, accelerator, folder, commit(options.worktree), options.evidence)
        for subject in (one for one in SUBJECTS if not options.only or one.name in options.only):
            for init_on_free in options.init_on_free or (0, 1):
                row = measure(bench, subject, init_on_free)
                publish(options.out, asdict(row))
                print(json.dumps(asdict(row)), flush=True)


if __name__ == "__main__":
    main()
