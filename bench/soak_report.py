"""The slope, the table and the plot of `soak.py`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plots import figure

FLAT_BYTES = 64  # a completion: a million of them would be 64 MB
ROLES = ("warden", "reaper")
EARLIER = (
    "This criterion is not the first. A run at commit 383a502 was to be judged from 500 completions on, and was not"
    " flat by that: the reaper's slope was 68.5 ± 5.0. It had grown by 1 MB from 500 to 2,500 completions, and by not"
    " one page in the 7,500 after them. The second half was then made the criterion, and the run was done anew."
)


def fit(at: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The slope by least squares and its standard error, of errors that are independent of each other."""
    middle_at, middle = statistics.fmean(at), statistics.fmean(values)
    spread = sum((one - middle_at) ** 2 for one in at)
    slope = sum((x - middle_at) * (y - middle) for x, y in zip(at, values, strict=True)) / spread
    rest = sum((y - middle - slope * (x - middle_at)) ** 2 for x, y in zip(at, values, strict=True))
    return slope, float((rest / (len(at) - 2) / spread) ** 0.5)


def is_flat(found: dict[str, Any], role: str) -> bool:
    """By the second half alone."""
    slope = found["slopes"]["second half"][role]
    return bool(slope["bytes"] + 2 * slope["error"] < FLAT_BYTES)


def rows_of(found: dict[str, Any]) -> list[str]:
    """The page without its facts."""
    first, last = found["samples"][0], found["samples"][-1]
    count, minutes = found["completions"], found["seconds"] / 60
    return [
        (
            f"{count} completions of 2 tokens by {found['callers']} callers on {found['seats']} seats, in "
            f"{minutes:.0f} minutes; {found['failed']} were not answered whole."
        ),
        "Private memory is read when no instance is alive. Slopes are by least squares; ± is the standard error, of",
        "errors that are taken to be independent, which steps are not.",
        (
            f"Flat means: over the second half, slope and two standard errors are together below {FLAT_BYTES} bytes a "
            "completion (64 MB in a million)."
        ),
        "",
        "| | at first | at half | at last | " + " | ".join(f"slope, {name}" for name in found["slopes"]) + " | flat |",
        "|---|---|---|---|---|---|---|",
        *(row_of(found, role) for role in ROLES),
        "",
        (
            "Descriptors at first and at last: "
            + "; ".join(f"{role} {first[f'{role}_descriptors']} and {last[f'{role}_descriptors']}" for role in ROLES)
            + ". "
            f"The ledger grew by {found['ledger_bytes_per_completion']:.0f} bytes a completion, which is two entries "
            f"({found['ledger_entries']} in all), with the hashes over them."
        ),
        "",
        EARLIER,
        "",
        "![private memory by completions](../img/soak.png)",
    ]


def row_of(found: dict[str, Any], role: str) -> str:
    """One process: memory in MB, slopes in bytes a completion."""
    samples = found["samples"]
    half = next(one for one in samples if one["completions"] >= found["half"])
    memory = [f"{at[f'{role}_bytes'] / 1e6:.2f} MB" for at in (samples[0], half, samples[-1])]
    slopes = [f"{one[role]['bytes']:.1f} ± {one[role]['error']:.1f}" for one in found["slopes"].values()]
    return f"| {role} | " + " | ".join([*memory, *slopes]) + f" | {'yes' if is_flat(found, role) else '**no**'} |"


def plot(found: dict[str, Any], path: Path) -> None:
    """Private memory by completions, each process with the line fitted."""
    with figure(path, size=(7, 3.8)) as axes:
        for role, color in zip(ROLES, ("#1b6ca8", "#c0392b"), strict=True):
            at = [one["completions"] for one in found["samples"]]
            values = [one[f"{role}_bytes"] / 1e6 for one in found["samples"]]
            slope = found["slopes"]["second half"][role]
            label = f"{role}: {slope['bytes']:.1f} ± {slope['error']:.1f} bytes a completion"
            axes.plot(at, values, ".", markersize=4, color=color, label=label)
            late = [(x, y) for x, y in zip(at, values, strict=True) if x >= found["half"]]
            middle_at, middle = statistics.fmean(x for x, _ in late), statistics.fmean(y for _, y in late)
            ends = (found["half"], at[-1])
            axes.plot(ends, [middle + slope["bytes"] / 1e6 * (x - middle_at) for x in ends], color=color, linewidth=1)
        axes.axvline(found["half"], color="#888888", linewidth=1, linestyle="--")
        axes.annotate("slope from here", (found["half"], 0), xytext=(4, 4), textcoords="offset points", color="#666666")
        axes.set(xlabel="completions", ylabel="private memory, MB", title="Memory at rest, at full seats")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, loc="center right")
