"""The tables and the plot of `voice.py`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plots import OTHERS, OURS, QUIET, figure, open_frame
from voice_turns import PARTS, Turn, all_of

TARGET_S = {"P50": 1.4, "P95": 2.5}  # for all of it, quiet
COLORS = (OURS, "#5aa9d6", "#e0a030", OTHERS, "#bbbbbb")


def p50_and_p95(values: Sequence[float]) -> tuple[float, float]:
    """Of any number of values above 1."""
    return statistics.median(values), statistics.quantiles(values, n=20, method="inclusive")[-1]


def table(rows: Mapping[str, Sequence[float]], head: str = "") -> list[str]:
    """A row each: P50, P95, how many."""
    lines = [f"| {head} | P50 | P95 | n |", "|---|---|---|---|"]
    for name, values in rows.items():
        middle, late = p50_and_p95(values)
        lines.append(f"| {name} | {middle:.3f} s | {late:.3f} s | {len(values)} |")
    return lines


def turns_table(turns: Sequence[Turn], head: str) -> list[str]:
    """All of it, then its parts. Percentiles of parts do not add up."""
    parts = {label: [turn[part] for turn in turns] for part, label in PARTS.items()}
    return table({"**voice to voice**": [all_of(turn) for turn in turns], **parts}, head)


def plot(ways: Mapping[str, Sequence[Turn]], path: Path) -> None:
    """One bar for each turn, the parts upon each other, the turns by their length; a panel for each way."""
    with figure(path, 1, len(ways), size=(9, 4.4), sharey=True, squeeze=False) as panels:
        for panel, (way, turns) in zip(panels[0], ways.items(), strict=True):
            _bars(panel, sorted(turns, key=all_of))
            panel.set(title=way, xlabel="turns, by their length")
            for name, seconds in TARGET_S.items():
                panel.axhline(seconds, color=QUIET, linewidth=1, linestyle="--" if name == "P50" else ":")
            open_frame(panel)
        first = panels[0][0]
        first.set_ylabel("s from the key's release")
        told = first.get_legend_handles_labels()
        first.figure.legend(*told, frameon=False, loc="outside lower center", ncols=3)


def _bars(panel: Any, turns: Sequence[Turn]) -> None:
    below = [0.0] * len(turns)
    for (part, label), color in zip(PARTS.items(), COLORS, strict=True):
        heights = [turn[part] for turn in turns]
        panel.bar(range(len(turns)), heights, 1.0, bottom=below, color=color, label=label)
        below = [one + more for one, more in zip(below, heights, strict=True)]
