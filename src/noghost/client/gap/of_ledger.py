"""The gaps of a service, from its ledger. The order of its entries is exact; their times are minutes.

Two entries of one minute can be a second apart or 59, so of a minute in which an instance was born or ended, and none
lived through it, is not known how much of it was empty. How many gaps there were is known, since between an end and
the next birth there is one, however short.

A birth without an end (lost, or alive now) proves that moment alone: when that instance was gone is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from noghost.client.gap.record import Bounds, Gap, Kind, Record, Stretch, joined
from noghost.ledger.entry import Entry

MINUTE_S = 60


def of_ledger(entries: Iterable[Entry]) -> Record:
    """What computed nothing is not in a ledger, and so is nothing here."""
    return walked(entries)[0]


def walked(entries: Iterable[Entry]) -> tuple[Record, bool]:
    """(what is told, whether somebody may be alive at its end)."""
    told = [(int(datetime.fromisoformat(entry.minute).timestamp()), entry.id, entry.kind) for entry in entries]
    whole = {name for _, name, kind in told if kind == "closed"}
    births = {name for _, name, kind in told if kind == "opened"}
    walk = Walk()
    for minute_s, name, kind in told:
        walk.to(minute_s)
        if kind == "opened":
            walk.birth(name, sure=name in whole)
        else:
            walk.end(name)
    return walk.record(len(births), len(births - whole)), walk.is_doubtful


class Walk:
    """From entry to entry: who is alive, who may be, and since when nobody is for certain."""

    def __init__(self) -> None:
        self._stretches: list[Stretch] = []
        self._gaps: list[Gap] = []
        self._backwards = 0
        self._alive: set[str] = set()
        self._doubtful: set[str] = set()
        self._minute_s: int | None = None
        self._was_empty = True  # at some moment of this minute nobody was alive for certain
        self._end_s: int | None = None  # the minute since which nobody is alive for certain
        self._sure = True  # since then, nobody may have been

    @property
    def is_doubtful(self) -> bool:
        """Somebody may be alive of whom it is not known."""
        return bool(self._doubtful)

    def to(self, minute_s: int) -> None:
        """Time goes on; where the clock was set back, it stands still."""
        if self._minute_s is None:
            self._minute_s = minute_s
        self._backwards += minute_s < self._minute_s
        if self._minute_s < minute_s:
            self._finish_minute()
            kind: Kind = "something" if self._alive else "unknown" if self._doubtful else "nothing"
            self._stretches.append(Stretch(self._minute_s + MINUTE_S, minute_s, kind))
            self._minute_s, self._was_empty = minute_s, not self._alive

    def birth(self, name: str, *, sure: bool) -> None:
        """`sure`: its end is in the ledger too."""
        assert self._minute_s is not None
        if not self._alive and self._end_s is not None:
            apart_s = self._minute_s - self._end_s
            least_s = max(0, apart_s - MINUTE_S) if self._sure else 0
            self._gaps.append(Gap(Bounds(least_s, apart_s + MINUTE_S), self._sure))
        if sure:
            self._alive.add(name)
        else:
            self._doubtful.add(name)
            self._empty()

    def end(self, name: str) -> None:
        """Seen; or, of one in doubt, written at a later start."""
        self._doubtful.discard(name)
        if name in self._alive:
            self._alive.remove(name)
            self._empty()

    def record(self, instances: int, untold: int) -> Record:
        """What was told on the way."""
        if self._minute_s is not None:
            self._finish_minute()
        return Record(joined(self._stretches), tuple(self._gaps), instances, untold, self._backwards, MINUTE_S)

    def _empty(self) -> None:
        if not self._alive:
            self._was_empty, self._end_s, self._sure = True, self._minute_s, not self._doubtful

    def _finish_minute(self) -> None:
        assert self._minute_s is not None
        kind: Kind = "unknown" if self._was_empty else "something"
        self._stretches.append(Stretch(self._minute_s, self._minute_s + MINUTE_S, kind))
