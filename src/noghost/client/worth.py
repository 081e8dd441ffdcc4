"""Does a capsule pay? What its tokens would cost to compute again, against what moving it costs. On the caller's side.

Both are measured: the speed of the prefill from the times that the service told of its answers, the speed of the way
from how long the last capsule took to come (it goes back about as fast), opening it from the service's own word.
"""

from __future__ import annotations

from dataclasses import dataclass

GAIN = 2.0  # it must spare twice what it costs: both figures are of one answer and noisy
LEAST_COMPUTED = 32  # fewer tokens say little about the speed


@dataclass(slots=True)
class Worth:
    """What is known so far; nothing known: it pays, which is how it gets to be known."""

    prefill_tok_s: float = 0.0
    way_bytes_s: float = 0.0
    open_bytes_s: float = 0.0

    def saw_prefill(self, computed_tokens: int, prefill_s: float) -> None:
        """Of an answer: the prompt's tokens that were computed, and the time for them."""
        if computed_tokens >= LEAST_COMPUTED and prefill_s > 0:
            self.prefill_tok_s = computed_tokens / prefill_s

    def saw_way(self, capsule_bytes: int, seconds: float) -> None:
        """A capsule came."""
        if seconds > 0:
            self.way_bytes_s = capsule_bytes / seconds

    def saw_opening(self, capsule_bytes: int, seconds: float) -> None:
        """A capsule was opened."""
        if seconds > 0:
            self.open_bytes_s = capsule_bytes / seconds

    def pays(self, tokens: int, capsule_bytes: int) -> bool:
        """Sending `capsule_bytes` spares the prefill of `tokens`, and that takes longer."""
        if not self.prefill_tok_s or not self.way_bytes_s:
            return True
        costs_s = capsule_bytes / self.way_bytes_s
        if self.open_bytes_s:
            costs_s += capsule_bytes / self.open_bytes_s
        return tokens / self.prefill_tok_s > GAIN * costs_s
