"""How many threads to compute with, asked after every decode for the next. In the instance; no content.

ggml's barriers spin: a thread that waits for one that the kernel has put aside burns its whole time slice, again
and again within a token. So threads are used only on cores that are free at that moment: its share of the seats
taken (board.py), and no core on which something else keeps running. Two threads beside one busy core are far
slower than one (bench/hot.py --foreign).

Something else keeps running when every one of a few looks sees it: the caller and the reaper, which wake up for a
moment around each token, do not count. The wipe of an instance that computed takes longer than that and is over soon:
before a prefill it is waited for, a tenth of a second at most.
"""

from __future__ import annotations

import contextlib
import os
import time

from noghost.board import Board
from noghost.config import cores

LINE_BYTES = 128
BRIEF_S = (0.00003,) * 3  # between two tokens: our own other thread may be on its way to sleep
WIPE_LOOKS_S = (0.001,) * 100  # a bound: what computed may have had a large context
PATIENT_S = BRIEF_S + (0.001,) * 25  # before and within a prefill, which is long: longer than another's small request
LONG_S = 0.05  # since the last look: what was computed meanwhile is no single token


class Share:
    """Made in the warden, before fork: an instance opens no file."""

    def __init__(self, most_threads: int, board: Board) -> None:
        self._most_threads = most_threads
        self._board = board
        self._looked_s = 0.0  # CLOCK_MONOTONIC
        self._loadavg = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)

    @property
    def descriptor(self) -> int:
        """To be kept open in the instance."""
        return self._loadavg

    def threads(self) -> int:
        """At least 1; what asks is itself running and counts as free."""
        by_seats = self._most_threads // max(1, self._board.taken())
        if by_seats < 2:
            return 1
        patient = time.monotonic() - self._looked_s > LONG_S
        if patient:
            self._await_wipes()
        elsewhere = self.running_elsewhere(PATIENT_S if patient else BRIEF_S)
        self._looked_s = time.monotonic()
        return max(1, min(by_seats, cores() - elsewhere))

    def _await_wipes(self) -> None:
        for pause_s in WIPE_LOOKS_S:
            if not self._board.wiping():
                break
            time.sleep(pause_s)

    def running_elsewhere(self, pauses_s: tuple[float, ...]) -> int:
        """Threads on this machine that keep running, but the one that asks: the fewest of all looks."""
        fewest = self._look()
        for pause_s in pauses_s:
            if fewest == 0:
                break
            time.sleep(pause_s)
            fewest = min(fewest, self._look())
        return fewest

    def _look(self) -> int:
        """Running now, but the one that asks; 0 where it cannot be known."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            running = os.pread(self._loadavg, LINE_BYTES, 0).split()[3].partition(b"/")[0]  # proc_loadavg(5)
            return max(0, int(running) - 1)
        return 0
