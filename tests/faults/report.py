"""What a run found, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facts import facts, publish

from noghost.weights.find import find

if TYPE_CHECKING:
    from faults.runner import Found

COLUMNS = ("said", "whole", "200", "503", "4xx", "500", "none", "slowest")
TITLE = "Faults at random moments of a load"


def say(found: Found) -> None:
    """On standard output."""
    print("\n".join(["", *rows_of(found), ""]))


def publish_page(out: Path, found: Found) -> None:
    """DIR/benchmarks/faults.md, with commit and machine."""
    publish(
        out,
        "faults",
        TITLE,
        rows_of(found),
        facts(find(as_published=True).path, ("noghost",)),
        script="tests/faults/runner.py",
    )


def rows_of(found: Found) -> list[str]:
    """The page without its facts."""
    return [
        *held(found),
        "",
        *struck(found),
        "",
        *said(found),
        "",
        *ended(found),
        "",
        *memory(found),
    ]


def held(found: Found) -> list[str]:
    """What must be 0, and over what."""
    count, minutes = sum(found.struck.values()), found.seconds / 60
    over = {
        "acknowledged answers that are not in the ledger": f"{found.acknowledged} whole answers",
        "births without exactly one end, ends without a birth": f"{found.entries} entries",
        "checkpoints that the ledger has not grown from": f"{found.checkpoints} remembered",
        "copies of the canary in warden, reaper and files": f"{found.looks} looks at rest; control: in "
        f"{found.controls} of them it was first found in a live instance",
        "descriptors of warden and reaper more than at the start": f"{found.looks} looks at rest",
        "orphans": f"{found.starts} ends, each awaited",
    }
    return [
        f"Seed {found.seed}: {count} faults in {minutes:.0f} minutes, {found.starts} starts on one ledger.",
        f"Violations: **{len(found.violations)}**.",
        "",
        *(f"- {violation}" for violation in found.violations[:50]),
        *([""] if found.violations else []),
        "| must be 0 | over |",
        "|---|---|",
        *(f"| {what} | {cases} |" for what, cases in over.items()),
    ]


def struck(found: Found) -> list[str]:
    """How often each fault."""
    rows = ["| fault | struck | nothing there to strike |", "|---|---|---|"]
    names = sorted({*found.struck, *found.missed})
    rows += [f"| {name} | {found.struck.get(name, 0)} | {found.missed.get(name, 0)} |" for name in names]
    return rows + [f"| needs {name}: left out, {why} | 0 | |" for name, why in found.impossible.items()]


def said(found: Found) -> list[str]:
    """What the callers said, and what became of it."""
    rows = ["| request | " + " | ".join(COLUMNS) + ", s |", "|---" * (len(COLUMNS) + 1) + "|"]
    return rows + [
        f"| {kind} | " + " | ".join(str(row.get(column, 0)) for column in COLUMNS) + " |"
        for kind, row in found.load.items()
    ]


def ended(found: Found) -> list[str]:
    """What the ledger says of the ends."""
    rows = ["| outcome, wipe | entries |", "|---|---|"]
    return rows + [f"| {end} | {count} |" for end, count in found.ends.items()]


def memory(found: Found) -> list[str]:
    """What is known of instances that the kernel killed for want of memory."""
    measured = found.out_of_memory
    if not isinstance(measured, dict):
        return [f"Out of memory: not measured{': ' * bool(measured)}{measured}."]
    whole, left = measured["whole"], measured["left"]
    return [
        f"Out of memory in a cgroup: the kernel killed {measured['killed']} instances.",
        f"The canary was still there at the exit stop, before the wipe, in {whole}; after the wipe in {left}.",
    ]
