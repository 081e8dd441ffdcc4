"""What the reaper counts of the lives that it sees: whole events and coarse buckets. In the reaper.

Covered: a number goes to the closed list of metrics.py and nowhere else. Not covered: what that list says of timing.
"""

from __future__ import annotations

import time

from noghost import metrics
from noghost.messages import Outcome
from noghost.metrics import Counts
from noghost.reaper.lives import Life
from noghost.reaper.seats import Seats

SECOND_NS = 1e9


class Tally:
    """Written at each event; read by who is asked for it, and by nobody until then."""

    def __init__(self, counts: Counts, seats: Seats) -> None:
        self._counts = counts
        self._seats = seats
        counts.set(metrics.SEATS, seats.most)

    def born(self) -> None:
        """One more."""
        self._counts.add(metrics.BORN)

    def turned_away(self, reason: str) -> None:
        """No seat for this one, nor a place in line."""
        self._counts.add(metrics.TURNED_AWAY, reason)

    def waits(self) -> None:
        """So many stand in line now."""
        self._counts.set(metrics.SEATS_WANTED, self._seats.waiting)

    def opened(self, life: Life) -> None:
        """It has its seat and its record."""
        self._counts.add(metrics.OPENED)
        self._counts.observe(metrics.WAIT_S, (time.monotonic_ns() - life.asked_ns) / SECOND_NS)

    def ended(self, life: Life, outcome: Outcome) -> None:
        """It is gone; of one that computed, more is known."""
        self._counts.add(metrics.ENDED, outcome.name.lower())
        self._counts.add(metrics.WIPED, life.wipe.name.lower())
        self._counts.add(metrics.REFUSED, by=life.refusals)
        if life.gone_ns:
            self._counts.observe(metrics.WIPE_S, (life.gone_ns - life.stop_ns) / SECOND_NS)
        if life.opened:
            self._computed(life, outcome)

    def _computed(self, life: Life, outcome: Outcome) -> None:
        self._counts.add(metrics.CLOSED, outcome.name.lower())
        self._counts.observe(metrics.LIFE_S, (time.monotonic_ns() - life.born_ns) / SECOND_NS)
        if life.ended:
            for family, bucket in (
                (metrics.PROMPT, life.ended.prompt_bucket),
                (metrics.ANSWER, life.ended.answer_bucket),
            ):
                self._counts.observe(family, (1 << bucket) - 1)  # of 2^(k-1) to 2^k - 1 tokens
