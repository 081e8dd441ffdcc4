"""The last few ends, for the callers who hold a key to them. In the reaper, in its memory alone.

Covered: an end is kept only where its caller sent a key; it is told only to who has that key, of which nothing but the
SHA-256 is here; their number and their age are bounded.
Not covered: who else has the key. There is no timer: one that is too old is told to nobody, and leaves this memory with
the next instance that ends.
"""

from __future__ import annotations

import time
from collections import deque
from hmac import compare_digest

from noghost.messages import Answer, Fate, Outcome
from noghost.reaper.lives import Life
from noghost.reaper.wipe import PAGE_BYTES

MOST = 64
KEPT_NS = 120 * 10**9


class Fates:
    """Pairs of (SHA-256 of a key, the end), the oldest first."""

    def __init__(self) -> None:
        self._kept: deque[tuple[bytes, Fate]] = deque(maxlen=MOST)

    def end(self, life: Life, outcome: Outcome) -> None:
        """It is gone; keep how, if its caller has a key to it."""
        self._drop_old()
        if life.follow is not None and life.opened:
            self._kept.append((life.follow.digest, fate_of(life, outcome)))

    def find(self, digest: bytes) -> Fate:
        """The end to which this is the key, of several the newest; every one that is kept is compared."""
        self._drop_old()
        found = [fate for kept, fate in self._kept if compare_digest(kept, digest)]
        return found[-1] if found else Fate(Answer.NOT_FOUND)

    def _drop_old(self) -> None:
        since_ns = time.monotonic_ns() - KEPT_NS
        while self._kept and self._kept[0][1].gone_ns < since_ns:
            self._kept.popleft()


def fate_of(life: Life, outcome: Outcome) -> Fate:
    """What its caller may know of it, now that it is gone."""
    assert life.follow is not None
    assert life.wants is not None
    wiped = life.wiped
    return Fate(
        Answer.YES,
        life.wants.invocation,
        outcome,
        life.wipe,
        wiped.wiped_bytes // PAGE_BYTES,
        wiped.verified_bytes // PAGE_BYTES,
        life.follow.knock_ns,
        life.follow.born_ns,
        life.stop_ns,
        wiped.wiped_ns,
        life.gone_ns if wiped.verified_bytes else 0,
        time.monotonic_ns(),
    )
