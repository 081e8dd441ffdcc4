"""The instances alive, and how many may be on their way at once. In the warden.

An instance is unheard until it asks for a seat (the reaper tells): until then it may be one that talks slowly, or
one of a storm. What needs no seat is over soon.

Covered: unheard instances are bounded, and the oldest of whoever has most of them is ended for a newcomer; births
that lead to no computation are rationed, so that a storm of them leaves the cores to those that compute; who has had
one of them lately comes after others, and so do requests that look like them (as long, from the same caller); an
instance that outlives its own deadline, stopped or out of its mind, is killed.
Not covered: a storm of one process whose every request has another length, among which a request of that very process
that computes waits its turn, and the same of one address or of a user whose processes cannot be told apart
(holders.py); a storm of callers that do compute: these share the seats, first come, first served.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from noghost.warden.lobby import Look
from noghost.warden.origin import DEPTH, Origin, outward

GRACE_S = 1.0  # an unheard instance has at least this long
OVERTIME_S = 5.0  # after its deadline, before it is killed
WINDOW_S = 0.5  # so long the birth of one that has ended counts as under way, while others compute
BIRTHS_PER_CORE = 1  # under way at once: more of a storm's would be in the way of the one that computes
LOOKS_KEPT = 64  # of requests that computed nothing lately
STORM_LOOKS = 8  # as many of one process: a program that asks for this and that has fewer
LOOKS_S = 10.0  # so long they are known by their looks
HOLD_S = 0.3  # so long one that is likely to compute has the cores to itself: a short answer's first token


@dataclass(eq=False, slots=True)
class Alive:
    """What the warden knows of one instance."""

    pid: int
    origin: Origin
    born_s: float  # CLOCK_MONOTONIC
    likely: bool  # to ask for a seat, by how much its caller has said
    said_bytes: int = 0  # so many waited to be read when it was born
    talks: bool = False  # it is a conversation, whose deadline is later
    ended: bool = False
    condemned: bool = False  # it has been sent its end

    @property
    def look(self) -> Look:
        """All that is known of its request from outside."""
        return self.origin, self.said_bytes

    @property
    def counts_until_s(self) -> float:
        """When its birth ceases to be under way, heard or not."""
        return self.born_s + (WINDOW_S if self.ended else GRACE_S)


class Living:
    """Process ids, oldest first, and the births under way."""

    def __init__(self, *, cores: int, deadline_s: float, talk_s: float, computing: Callable[[], int]) -> None:
        self._cores = cores
        self._deadline_s = deadline_s + OVERTIME_S
        self._talk_s = talk_s + OVERTIME_S
        self._computing = computing
        self._alive: dict[int, Alive] = {}
        self._unheard: dict[int, Alive] = {}
        self._crowds: Counter[Origin] = Counter()  # of each origin and its beginnings
        self._under_way: dict[int, Alive] = {}  # births that count; the instance may have ended
        self._held_until_s = 0.0  # no small birth before that
        self._idle_looks: dict[Look, float] = {}  # of requests that computed nothing, and when; the oldest first
        self._idle_origins: Counter[Origin] = Counter()  # of these looks, and their beginnings

    def __len__(self) -> int:
        return len(self._alive)

    @property
    def unheard(self) -> int:
        """So many have not asked for a seat."""
        return len(self._unheard)

    def crowd(self, origin: Origin) -> int:
        """So many of them are unheard and of one user or address."""
        return self._crowds[origin[:1]]

    def served(self, origin: Origin) -> tuple[int, ...]:
        """How much an origin has had, from the outside in: its crowd, and one more if a request of it computed nothing
        lately. Instances of a storm are gone in no time, and the next ones are no newcomers. Nor is one whose process
        is not known yet, where another of its user computed nothing."""
        had = [self._crowds[part] + (part in self._idle_origins) for part in outward(origin)]
        return tuple(had + [int(self.idled(origin))] * (DEPTH - len(had)))

    def idled(self, origin: Origin) -> bool:
        """Whether a request of it computed nothing lately."""
        return origin in self._idle_origins

    def storms(self, origin: Origin) -> bool:
        """Whether it is a process whose requests, of many lengths, computed nothing lately."""
        return len(origin) == DEPTH and self._idle_origins[origin] >= STORM_LOOKS

    def born(self, alive: Alive) -> None:
        """One more."""
        self._alive[alive.pid] = self._unheard[alive.pid] = alive
        self._crowds.update(outward(alive.origin))
        self._under_way[alive.pid] = alive
        if alive.likely:  # what others began now would be at its cost
            self._held_until_s = alive.born_s + HOLD_S

    def idle(self, look: Look) -> bool:
        """Whether the last request that looked the same computed nothing, a short while ago."""
        return look in self._idle_looks

    def heard(self, pid: int, *, talks: bool = False) -> None:
        """Its request is complete, and it asks for a seat, or is a conversation."""
        if talks and pid in self._alive:
            self._alive[pid].talks = True
        if alive := self._unheard.get(pid):
            self._forget_look(alive.look)
        self._leave_unheard(pid)
        self._under_way.pop(pid, None)

    def gone(self, pid: int) -> None:
        """It has ended. While others compute, or are likely to soon, its birth counts until its time: a storm ends
        fast and comes again, and its processor time would be theirs."""
        self._alive.pop(pid, None)
        if alive := self._unheard.get(pid):
            self._remember_idle(alive.look)
        self._leave_unheard(pid)
        if (alive := self._under_way.get(pid)) is None:
            return
        alive.ended = True
        if alive.likely:  # it computed nothing
            self._held_until_s = 0.0
        soon = not alive.likely and any(other.likely for other in self._under_way.values())
        if not soon and not self._computing():
            del self._under_way[pid]

    def _remember_idle(self, look: Look) -> None:
        self._forget_look(look)
        self._idle_looks[look] = time.monotonic()
        self._idle_origins.update(outward(look[0]))
        if len(self._idle_looks) > LOOKS_KEPT:
            self._forget_look(next(iter(self._idle_looks)))

    def forget_looks(self, now_s: float) -> None:
        """Those that are too old; before who is next is chosen, once for all who wait."""
        since_s = now_s - LOOKS_S
        while (look := next(iter(self._idle_looks), None)) and self._idle_looks[look] <= since_s:
            self._forget_look(look)

    def _forget_look(self, look: Look) -> None:
        if self._idle_looks.pop(look, None) is not None:
            one_less(self._idle_origins, look[0])

    def _leave_unheard(self, pid: int) -> None:
        if alive := self._unheard.pop(pid, None):
            one_less(self._crowds, alive.origin)

    def has_room(self, now_s: float, *, preferred: bool) -> bool:
        """Whether another birth may be under way."""
        for alive in [alive for alive in self._under_way.values() if alive.counts_until_s <= now_s]:
            del self._under_way[alive.pid]
        if not preferred and now_s < self._held_until_s:
            return False
        return len(self._under_way) < self._cores * BIRTHS_PER_CORE

    def oust(self, now_s: float) -> bool:
        """End the oldest unheard instance of the largest crowd, if there is one past its grace."""
        ripe = [alive for alive in self._unheard.values() if alive.born_s + GRACE_S <= now_s]
        if not ripe:
            return False
        victim = max(ripe, key=lambda alive: self.crowd(alive.origin))
        self._leave_unheard(victim.pid)
        send(victim, signal.SIGTERM)
        return True

    def room_s(self, now_s: float) -> float | None:
        """When there may be more room without anybody's word: a birth ceases to count, a grace is over."""
        births = [self._held_until_s, *(alive.counts_until_s for alive in self._under_way.values())]
        graces = (alive.born_s + GRACE_S for alive in self._unheard.values())
        return min((time_s for time_s in (*births, *graces) if time_s > now_s), default=None)

    def due_s(self) -> float | None:
        """When the next one will have outlived its deadline."""
        return min((self._due_s(alive) for alive in self._alive.values() if not alive.condemned), default=None)

    def _due_s(self, alive: Alive) -> float:
        return alive.born_s + (self._talk_s if alive.talks else self._deadline_s)

    def kill_overdue(self, now_s: float) -> None:
        """SIGKILL, which ends a stopped process too; wiped like any other."""
        for alive in self._alive.values():
            if not alive.condemned and self._due_s(alive) <= now_s:
                alive.condemned = True
                send(alive, signal.SIGKILL)

    def kill_all(self) -> None:
        """At the service's end."""
        for alive in self._alive.values():
            send(alive, signal.SIGKILL)


def one_less(counts: Counter[Origin], origin: Origin) -> None:
    """Of it and its beginnings; whoever has none is left out."""
    for part in outward(origin):
        counts[part] -= 1
        if not counts[part]:
            del counts[part]


def send(alive: Alive, number: signal.Signals) -> None:
    """A signal; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(alive.pid, number)
