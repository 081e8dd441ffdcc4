"""What processes that do nothing cost, read from /proc, from outside."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from noghost.client.status import counters, difference, private_bytes


class Cost(NamedTuple):
    """Of some processes together: wake-ups and milliseconds of processor time in a minute, and private memory."""

    wakeups: float
    cpu_ms: float
    private_mb: float

    def cells(self) -> str:
        """The three of them in a row of a table."""
        return f"{self.wakeups:.0f} | {self.cpu_ms:.0f} ms | {self.private_mb:.1f} MB"


def watch(pids: list[int], seconds: float) -> Cost:
    """Watch some processes together, for so long."""
    before = [counters(pid) for pid in pids]
    time.sleep(seconds)
    did = [difference(old, counters(pid)) for old, pid in zip(before, pids, strict=True)]
    minute = 60 / seconds
    private = sum(private_bytes(Path(f"/proc/{pid}")) for pid in pids)
    return Cost(sum(one.wakeups for one in did) * minute, sum(one.cpu_ms for one in did) * minute, private / 1e6)
