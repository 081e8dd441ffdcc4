"""Who waits for its wipe, first come, first served. In the reaper.

What computed has much to wipe, which keeps a core busy for a while. Whoever is about to compute reads on the board that
it is so (instance/share.py), and waits for the core rather than do without it.

Covered: of whose wipe, and of how much, nothing stands there; it is a number of instances.
Not covered: that somebody else has computed just before can be known by it, as it can by how busy the cores are.
"""

from __future__ import annotations

from collections import deque

from noghost.board import Board
from noghost.reaper.lives import Life


class Stopped:
    """At their exit; false where there is nobody."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._lives: deque[Life] = deque()

    def __len__(self) -> int:
        return len(self._lives)

    @property
    def first(self) -> Life:
        """Whose wipe is under way, or next."""
        return self._lives[0]

    def add(self, life: Life) -> None:
        """At its exit stop."""
        self._lives.append(life)
        self._tell()

    def leave(self) -> None:
        """The first is wiped, or gone."""
        self._lives.popleft()
        self._tell()

    def _tell(self) -> None:
        self._board.write_wiping(sum(life.opened for life in self._lives))
