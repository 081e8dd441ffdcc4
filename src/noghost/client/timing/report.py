"""An audit's result for people (both groups, drawn and in numbers) and for machines (JSON)."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence

from noghost.client.timing.ranks import LEVEL
from noghost.client.timing.verdict import Audit

_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH_CHARS = 48
_NAMES = ("seen", "unseen")


def render(audit: Audit) -> str:
    """Two histograms, the numbers, and the verdict in a sentence; without a newline at the end."""
    low, high = audit.interval
    return "\n".join(
        [
            f"time to the first text of {len(audit.seen_s)} prompts that another caller had just sent (seen)",
            f"and of {len(audit.unseen_s)} that nobody had (unseen):",
            "",
            *_drawn(audit),
            "",
            f"AUC {audit.auc:.3f} (95 % interval {low:.3f} to {high:.3f}); p = {_rounded(audit.p)}",
            "  how often an unseen prompt takes longer than a seen one: 0.5 is chance, 1 is always",
            closing_line(audit),
        ]
    )


def closing_line(audit: Audit) -> str:
    """The verdict, with what it rests on."""
    visible = f"AUC {audit.smallest:.2f}" if audit.smallest else "none"
    if audit.verdict == "leaks":
        return f"leaks: {_difference(*audit.medians_ms)}, so that one caller can tell what another one has sent"
    seeing = f"smallest leak that this run would have seen: {visible}"
    if audit.verdict == "no leak seen":
        low, high = audit.interval
        return f"no leak seen: AUC {audit.auc:.2f} (95 % interval {low:.2f} to {high:.2f}), {seeing}"
    return f"cannot tell: {seeing}; give more --pairs"


def _difference(seen_ms: float, unseen_ms: float) -> str:
    change = "sooner" if seen_ms < unseen_ms else "later"
    return f"what was seen comes {abs(unseen_ms - seen_ms):.0f} ms {change} in the median"


def to_json(audit: Audit, **settings: object) -> str:
    """One JSON object: the settings, the verdict, every number, and every time in the order of the pairs."""
    seen_ms, unseen_ms = audit.medians_ms
    return json.dumps(
        {
            **settings,
            "verdict": audit.verdict,
            "auc": audit.auc,
            "auc_interval_95": audit.interval,
            "p": audit.p,
            "level": LEVEL,
            "smallest_visible_auc": audit.smallest,
            "median_seen_ms": seen_ms,
            "median_unseen_ms": unseen_ms,
            "seen_s": audit.seen_s,
            "unseen_s": audit.unseen_s,
        }
    )


def _drawn(audit: Audit) -> list[str]:
    """A row for each group, on one logarithmic axis from the shortest to the longest of all."""
    groups = audit.seen_s, audit.unseen_s
    edges = min(map(min, groups)), max(map(max, groups))
    rows = [
        f"{name:<7} {_histogram(group, edges)}  median {statistics.median(group) * 1e3:.0f} ms"
        for name, group in zip(_NAMES, groups, strict=True)
    ]
    left, right = (f"{edge * 1e3:.0f} ms" for edge in edges)
    return [*rows, f"{'':<7} {left}{right:>{_WIDTH_CHARS - len(left)}}"]


def _histogram(values: Sequence[float], edges: tuple[float, float]) -> str:
    """One character for each bin; the fullest is a full block, none that holds a value is blank."""
    low, high = edges
    width = math.log(high / low) / _WIDTH_CHARS if high > low else 1.0
    counts = [0] * _WIDTH_CHARS
    for value in values:
        counts[min(int(math.log(value / low) / width), _WIDTH_CHARS - 1)] += 1
    return "".join(_BARS[math.ceil(count / max(counts) * (len(_BARS) - 1))] for count in counts)


def _rounded(p: float) -> str:
    return f"{p:.2g}" if p >= LEVEL else f"{p:.0e}"
