"""The page and the plot of `cold.py`: medians and quartiles, a stacked bar of the steps."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from plots import figure
from tables import against, quartiles

STEPS = {
    "process": "the interpreter starts",
    "reaper": "what reads the command line is imported, the reaper is started",
    "digest": "the weights' digest (cached)",
    "begin": "the engine's library; a thread begins to load the weights",
    "imports": "what wires the processes and what answers is imported meanwhile",
    "host": "what the receipt says of host and build",
    "load": "until the weights are mapped, the vocabulary is read and the context, sized to the question, is made",
    "context": "what of the context was only cleared is given back",
    "birth": "the chat template; until the reaper traces; fork, gate, confinement of the instance",
    "prefill": "tokenise, record, prefill, the first token",
    "first byte": "it arrives",
}
COLORS = ("#bbbbbb", "#0b3c5d", "#1b6ca8", "#7fb3d5", "#a9cce3", "#c0392b", "#27ae60", "#82c99d", "#8e44ad", "#f0a500")
COLORS += ("#444444",)

Samples = Mapping[str, Sequence[float]]
Steps = Sequence[Mapping[str, float]]


def markdown(
    samples: Samples, steps: Steps, imports: Sequence[tuple[str, float, float]], facts: Mapping[str, str]
) -> str:
    """The page."""
    rows = [f"| {name} | {quartiles(values, '{:.3f}')} |" for name, values in samples.items() if name != "steps"]
    compared = [
        comparison("started and asked, against a stock llama-server", samples["stock"], samples["ask"]),
        comparison("the bare steps, against a stock llama-server", samples["stock"], samples["bare"]),
        *cold_against_reading(samples, "weights cold"),
        *(cold_against_reading(samples, "all cold") if "ask, all cold" in samples else ()),
    ]
    lines = [
        "# Cold: from nothing to the first token",
        "",
        "From before the start of the process to the first byte of the answer, in seconds: median (quartiles) of all",
        "rounds, interleaved. `stock` is a stock llama-server that is started, waited for and asked the same. `bare`",
        "is an interpreter that loads these weights with llama.cpp and computes the same prompt, one after the other,",
        "and does nothing else (`bench/bare.py`). What is cold is measured after that, with a copy of the weights that",
        "is named by its path (`ask, copy`), since nobody else may have it mapped.",
        "",
        "| | seconds |",
        "|---|---|",
        *rows,
        "",
        "| ratio of medians, or of the median of differences | with a bootstrap interval of 95 % |",
        "|---|---|",
        *compared,
        "",
        "Where reading the file takes less time than the bare steps, these bound a cold start, and not the disk;",
        "what a cold cache adds to a warm start (pair by pair) can be compared with reading.",
        "",
        "![The steps of one ask](../img/cold.png)",
        "",
        "| step | ms | what |",
        "|---|---|---|",
        *(f"| {name} | {own_ms:.0f} | {STEPS[name]} |" for name, own_ms in durations(steps).items()),
        "",
        "The longest imports on the way (`-X importtime`, one run, which it slows down):",
        "",
        "| module | itself, ms | with what it imports, ms |",
        "|---|---|---|",
        *(f"| `{name}` | {own_ms:.1f} | {whole_ms:.1f} |" for name, own_ms, whole_ms in imports),
        "",
        "Made by `bench/cold.py`.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in facts.items()),
        "",
    ]
    return "\n".join(lines)


def comparison(label: str, base: Sequence[float], subject: Sequence[float]) -> str:
    return f"| {label} | {against(base, subject)} |"


def cold_against_reading(samples: Samples, how: str) -> list[str]:
    """The whole of a cold start, and what it adds to a warm one."""
    read, cold = samples[f"read, {how}"], samples[f"ask, {how}"]
    added = [one - other for one, other in zip(cold, samples[f"ask, copy, before {how}"], strict=True)]
    return [
        comparison(f"{how}, against reading the file once", read, cold),
        comparison(f"what {how} adds, against reading the file once", read, added),
    ]


def durations(steps: Steps) -> dict[str, float]:
    """Median milliseconds of each step, from the end of the one before."""
    names = [name for name in STEPS if name in steps[0]]
    ends = [[0.0, *(run[name] for name in names)] for run in steps]
    return {name: statistics.median(run[at + 1] - run[at] for run in ends) for at, name in enumerate(names)}


def plot(samples: Samples, steps: Steps, path: Path) -> None:
    """One stacked bar of the steps; below it the stock server's whole time."""
    with figure(path, size=(9, 2.8)) as axes:
        left_ms = 0.0
        for (name, own_ms), color in zip(durations(steps).items(), COLORS, strict=False):
            axes.barh("noghost ask", own_ms, left=left_ms, color=color, label=f"{name} {own_ms:.0f}")
            left_ms += own_ms
        axes.barh("stock: start, then ask", 1e3 * statistics.median(samples["stock"]), color="#dddddd")
        axes.invert_yaxis()
        axes.set(xlabel="ms from the start of the process to the first token (page cache warm)")
        axes.legend(frameon=False, ncols=5, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.3))
