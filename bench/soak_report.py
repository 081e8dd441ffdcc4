"""The slope, the table and the plot of `soak.py`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FLAT_BYTES = 64  # a completion: a million of them would be 64 MB
ROLES = ("warden", "reaper")


def fit(at: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The slope by least squares and its standard error, of errors that are independent of each other."""
    middle_at, middle = statistics.fmean(at), statistics.fmean(values)
    spread = sum((one - middle_at) ** 2 for one in at)
    slope = sum((x - middle_at) * (y - middle) for x, y in zip(at, values, strict=True)) / spread
    rest = sum((y - middle - slope * (x - middle_at)) ** 2 for x, y in zip(at, values, strict=True))
    return slope, float((rest / (len(at) - 2) / spread) ** 0.5)


def rows_of(found: dict[str, Any]) -> list[str]:
    """The page without its facts."""
    first, last = found["samples"][0], found["samples"][-1]
    count, minutes = found["completions"], found["seconds"] / 60
    return [
        (
            f"{count} completions of 2 tokens by {found['callers']} callers on {found['seats']} seats, in "
            f"{minutes:.0f} minutes; {found['failed']} were not answered whole."
        ),
        (
            "Private memory is read when no instance is alive. The slope is by least squares over the samples after "
            f"the first {found['warm_up']} completions; ± is its standard error."
        ),
        (
            f"Flat means: slope and two standard errors are together below {FLAT_BYTES} bytes a completion (64 MB in a "
            "million)."
        ),
        "",
        "| | private memory at first | at last | bytes a completion | flat | descriptors at first, at last |",
        "|---|---|---|---|---|---|",
        *(row_of(role, found["slopes"][role], first, last) for role in ROLES),
        "",
        (
            f"The ledger grew by {found['ledger_bytes_per_completion']:.0f} bytes a completion, which is two entries "
            f"({found['ledger_entries']} in all), with the hashes over them."
        ),
        "",
        "![private memory by completions](../img/soak.png)",
    ]


def row_of(role: str, slope: dict[str, float], first: dict[str, int], last: dict[str, int]) -> str:
    """One process."""
    memory = " | ".join(f"{at[f'{role}_bytes'] / 1e6:.2f} MB" for at in (first, last))
    flat = "yes" if slope["bytes"] + 2 * slope["error"] < FLAT_BYTES else "**no**"
    counts = f"{first[f'{role}_descriptors']}, {last[f'{role}_descriptors']}"
    return f"| {role} | {memory} | {slope['bytes']:.1f} ± {slope['error']:.1f} | {flat} | {counts} |"


def plot(found: dict[str, Any], path: Path) -> None:
    """Private memory by completions, each process with the line fitted."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
    for role, color in zip(ROLES, ("#1b6ca8", "#c0392b"), strict=True):
        at = [one["completions"] for one in found["samples"]]
        values = [one[f"{role}_bytes"] / 1e6 for one in found["samples"]]
        slope = found["slopes"][role]
        label = f"{role}: {slope['bytes']:.1f} ± {slope['error']:.1f} bytes a completion"
        axes.plot(at, values, ".", markersize=4, color=color, label=label)
        late = [(x, y) for x, y in zip(at, values, strict=True) if x >= found["warm_up"]]
        middle_at, middle = statistics.fmean(x for x, _ in late), statistics.fmean(y for _, y in late)
        ends = (found["warm_up"], at[-1])
        axes.plot(ends, [middle + slope["bytes"] / 1e6 * (x - middle_at) for x in ends], color=color, linewidth=1)
    axes.axvline(found["warm_up"], color="#888888", linewidth=1, linestyle="--")
    axes.annotate("warm-up", (found["warm_up"], 0), xytext=(4, 4), textcoords="offset points", color="#666666")
    axes.set(xlabel="completions", ylabel="private memory, MB", title="Memory at rest, at full seats")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
