"""How a mind lives: as an instance that is asked through an arena, not a connection. In the warden, before fork."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NoReturn

from noghost.config import Limits
from noghost.instance.life import Equipped, live
from noghost.instance.newborn import Newborn
from noghost.instance.sandbox import Fences
from noghost.warden.minds import Minds

Think = Callable[[list[int]], Equipped]  # of an arena and two bells, in the child


def minds_at(asked: socket.socket, reaper_pid: int, think: Think, limits: Limits, fences: Fences) -> Minds:
    """Where the reaper asks for them."""

    def live_thinking(newborn: Newborn, arena: list[int]) -> NoReturn:
        live(newborn, lambda _: think(arena), limits=limits, silent=True, fences=fences, title="noghost: thinking")

    return Minds(asked, reaper_pid, live_thinking)
