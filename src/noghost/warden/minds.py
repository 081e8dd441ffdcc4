"""The warden as the parent of minds: a conversation's model is a process of its own in each turn. In the warden.

Covered: the warden learns no more than "one more"; what came with that goes to the child, unread.
Not covered: what the child does; it is born through the gate, traced and confined as an instance is.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from noghost.instance.newborn import Newborn
from noghost.warden.births import bear_for


@dataclass(frozen=True, slots=True)
class Minds:
    """`asked`: from the reaper; `live` gets the arena and its bells."""

    asked: socket.socket
    reaper_pid: int
    live: Callable[[Newborn, list[int]], NoReturn]

    def hears(self, descriptor: int) -> bool:
        """Whether this one became readable."""
        return descriptor == self.asked.fileno()

    def on_word(self) -> None:
        """One more. That the reaper is gone, the warden learns at its own socket."""
        bear_for(self.asked, self.reaper_pid, self.live)
