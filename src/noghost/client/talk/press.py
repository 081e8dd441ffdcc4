"""A press of the key by which one speaks. A terminal tells no release: one key begins it, the next one ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

TAIL_S = 0.25  # that it keeps after its end, for the last syllable


class Press:
    """`on_end` is told when the key was last struck (time.monotonic), a tail later."""

    def __init__(self, on_end: Callable[[float], None]) -> None:
        self.is_down = False
        self._on_end = on_end
        self._struck_s = 0.0
        self._ending: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Somebody speaks from now on."""
        self.is_down = True

    def strike(self) -> None:
        """The key once more. If it goes on within the tail it is held down, and repeats: released when that ceases."""
        self._struck_s = time.monotonic()
        self._stop()
        self._ending = asyncio.get_running_loop().call_later(TAIL_S, self._end)

    def end(self) -> None:
        """Now, without a key."""
        self._struck_s = time.monotonic()
        self._end()

    def drop(self) -> None:
        """It was none."""
        self._stop()
        self.is_down = False

    def _end(self) -> None:
        self.drop()
        self._on_end(self._struck_s)

    def _stop(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._ending = None
