"""When an invocation reached each step of its way, from the knock to the first piece of its answer. In the instance.

Exact times are content: they go to the caller alone, in the answer (`noghost.path_ms`), and die with the instance.
"""

from __future__ import annotations

import time

# In the order in which they are reached; each is named after what has just been done. Where a model is loaded on demand
# the seat comes after the request, then "load".
STEPS = ("fork", "gate", "confine", "request", "template", "tokenise", "seat", "prefill", "send")


class Timeline:
    """CLOCK_MONOTONIC in nanoseconds at each step that was reached."""

    def __init__(self, knock_ns: int | None = None) -> None:
        """`knock_ns`: when the connection had something to read; now if not given."""
        self.knock_ns = time.monotonic_ns() if knock_ns is None else knock_ns
        self._reached_ns: dict[str, int] = {}

    def reach(self, step: str) -> None:
        """It is done now; the first time counts."""
        self._reached_ns.setdefault(step, time.monotonic_ns())

    def at_ms(self, step: str) -> float | None:
        """Milliseconds from the knock to the step; None if it was not reached."""
        reached_ns = self._reached_ns.get(step)
        return None if reached_ns is None else ms(reached_ns - self.knock_ns)

    def at_ns(self, step: str) -> int:
        """CLOCK_MONOTONIC at a step that was reached; at the knock if it was not."""
        return self._reached_ns.get(step, self.knock_ns)

    def parts_ms(self) -> dict[str, float]:
        """How long each step took, counted from the one before it that was reached."""
        parts, before_ns = {}, self.knock_ns
        for step, reached_ns in self._reached_ns.items():  # in the order of time
            parts[step] = ms(reached_ns - before_ns)
            before_ns = reached_ns
        return parts


def ms(nanoseconds: int) -> float:
    """Milliseconds, to the microsecond."""
    return round(nanoseconds / 1e6, 3)
