"""How the benchmarks draw: a figure without a screen, written when it is whole, and samples as dots."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

OURS, OTHERS, QUIET = "#1b6ca8", "#c0392b", "#888888"


@contextlib.contextmanager
def figure(path: Path, rows: int = 1, columns: int = 1, *, size: tuple[float, float], **options: Any) -> Iterator[Any]:
    """Its axes, `size` in inches; more of `options` to matplotlib's subplots. At the end it is written to `path`."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    drawn, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", **options)
    yield axes
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, dpi=150)
    plt.close(drawn)


def dots(axes: Any, samples: Mapping[str, Sequence[float]], colors: Sequence[str]) -> None:
    """A row for each name, the first on top: every sample, and a line at their median."""
    for row, ((name, values), color) in enumerate(zip(samples.items(), colors, strict=True)):
        axes.scatter(values, [row] * len(values), s=30, color=color, alpha=0.6, linewidths=0, label=name)
        middle = statistics.median(values)
        axes.plot([middle, middle], [row - 0.3, row + 0.3], color=color, linewidth=2)
    axes.set(ylim=(len(samples) - 0.4, -0.6))
    axes.set_yticks(range(len(samples)), list(samples))
    open_frame(axes)


def bars(axes: Any, values: Mapping[str, float], colors: Sequence[str], form: str = "{:,.0f}") -> None:
    """A row for each name, the first on top, with its value beside it."""
    drawn = axes.barh(list(values), list(values.values()), color=colors, height=0.55)
    axes.bar_label(drawn, [form.format(value) for value in values.values()], padding=5, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    open_frame(axes)


def open_frame(axes: Any) -> None:
    """Without the lines above and to the right."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
