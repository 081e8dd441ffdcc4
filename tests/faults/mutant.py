"""`noghost serve` with a fault in it, for the control of the fault runner.

    python mutant.py KIND serve ...

forgetful: the reaper keeps entries in memory, says that they are on the disk, and writes 16 at a time. A reaper
that is killed then takes acknowledged entries along.
"""

from __future__ import annotations

import sys

from noghost.cli.main import main
from noghost.messages import Ended as LastWord
from noghost.messages import Open, Outcome, Wipe
from noghost.reaper import role
from noghost.reaper.record import LedgerRecorder
from noghost.reaper.wipe import Wiped

KEPT = 16


class Forgetful(LedgerRecorder):
    """Acknowledges first, and writes some day."""

    _kept: list[Open]

    def opened(self, wanted: Open) -> bool:
        self._kept = [*getattr(self, "_kept", []), wanted]
        if len(self._kept) < KEPT:
            return True
        written = [super(Forgetful, self).opened(one) for one in self._kept]
        self._kept = []
        return all(written)

    def durable(self) -> bool:
        return True

    def closed(
        self, wanted: Open, outcome: Outcome, wipe: Wipe, wiped: Wiped, last_word: LastWord | None, refusals: int
    ) -> None:
        if wanted not in self._kept:
            super().closed(wanted, outcome, wipe, wiped, last_word, refusals)


MUTANTS = {"forgetful": Forgetful}

if __name__ == "__main__":
    setattr(role, "LedgerRecorder", MUTANTS[sys.argv.pop(1)])  # noqa: B010  the mutation
    main()
