"""How many threads to compute with, asked before every decode. In the instance; no content.

ggml's barriers spin: a thread that waits for one that the kernel has put aside burns its whole time slice, a few
hundred times a token. So threads are used only on cores that are free at that moment: its share of the seats
taken (board.py), and no core on which something else runs. Two threads beside one busy core decoded 3 tokens a
second where one alone decoded 70.
"""

from __future__ import annotations

import contextlib
import os

from noghost.board import Board
from noghost.config import cores

LINE_BYTES = 128


class Share:
    """Made in the warden, before fork: an instance opens no file."""

    def __init__(self, most_threads: int, board: Board) -> None:
        self._most_threads = most_threads
        self._board = board
        self._loadavg = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)

    @property
    def descriptor(self) -> int:
        """To be kept open in the instance."""
        return self._loadavg

    def threads(self) -> int:
        """At least 1; what asks is itself running and counts as free."""
        by_seats = self._most_threads // max(1, self._board.taken())
        return max(1, min(by_seats, cores() - self.running_elsewhere()))

    def running_elsewhere(self) -> int:
        """Threads on this machine that run or could run now, but the one that asks. 0 where it cannot be known."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            running = os.pread(self._loadavg, LINE_BYTES, 0).split()[3].partition(b"/")[0]  # proc_loadavg(5)
            return max(0, int(running) - 1)
        return 0
