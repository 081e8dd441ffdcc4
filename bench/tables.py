"""Cells of the tables that the scripts write."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from noghost.client.bench.ratio import ratio


def quartiles(samples: Sequence[float], form: str = "{:.2f}") -> str:
    """The median, and in parentheses the quartiles, each as `form` says."""
    low, middle, high = (form.format(value) for value in statistics.quantiles(samples, n=4, method="inclusive"))
    return f"{middle} ({low} to {high})"


def against(base: Sequence[float], measured: Sequence[float]) -> str:
    """measured / base, of medians, with a bootstrap interval of 95 %."""
    middle, low, high = ratio(base, measured)
    return f"**{middle:.2f}** ({low:.2f} to {high:.2f})"
