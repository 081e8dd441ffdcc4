"""Seats: how many instances may compute at once. In the reaper, which alone sees every end of an instance.

A pipe of tokens, as GNU make's jobserver has, loses a token when its holder is killed between reading it and
saying so; here the holder's end itself gives the seat back.
"""

from __future__ import annotations

from collections import deque

from noghost.board import Board


class Seats:
    """First come, first served. A holder is a process id."""

    def __init__(self, most: int, board: Board, queue: int) -> None:
        self._most = most
        self._queue = queue  # so many may stand in line
        self._board = board
        self._holders: set[int] = set()
        self._waiting: deque[int] = deque()

    @property
    def most(self) -> int:
        """So many may compute at once."""
        return self._most

    @property
    def waiting(self) -> int:
        """So many stand in line."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Nobody more can even stand in line."""
        return len(self._holders) >= self._most and len(self._waiting) >= self._queue

    def want(self, pid: int) -> bool:
        """Take a seat now (True), or stand in line (False)."""
        if len(self._holders) < self._most:
            self._take(pid)
            return True
        self._waiting.append(pid)
        return False

    def leave(self, pid: int) -> int | None:
        """Give back the seat, or the place in line; the process that has a seat by that, if any."""
        if pid in self._waiting:
            self._waiting.remove(pid)
        if pid not in self._holders:
            return None
        self._holders.remove(pid)
        self._board.write_taken(len(self._holders))
        if not self._waiting:
            return None
        following = self._waiting.popleft()
        self._take(following)
        return following

    def _take(self, pid: int) -> None:
        self._holders.add(pid)
        self._board.write_taken(len(self._holders))
