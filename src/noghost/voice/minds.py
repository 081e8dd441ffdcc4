"""How a mind lives: as an instance that is asked through an arena, not a connection. In the warden, before fork."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from noghost.config import Limits
from noghost.instance.life import Equipped, Instance, live
from noghost.instance.newborn import Newborn
from noghost.instance.sandbox import Fences
from noghost.messages import Outcome
from noghost.warden.minds import Minds

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from noghost.api.here import Here

Think = Callable[[list[int]], Equipped]  # of an arena and two bells, in the child


def thinker(app: Starlette, now_of: Callable[[Instance], Here], keep: Callable[[], tuple[int, ...]]) -> Think:
    """How one is made ready, by what an instance of this service is given; `keep`: what stays open in it besides."""
    from noghost.api import mind

    def think(arena: list[int]) -> Equipped:
        equipment = mind.equip_mind(arena)

        def serve(instance: Instance) -> Outcome:
            now = now_of(instance)
            outcome = mind.think(app, equipment, now)
            instance.line.last_word(outcome, *now.tally.last)
            return outcome

        return Equipped(serve, (*keep(), *equipment.descriptors))

    return think


def minds_at(asked: socket.socket, reaper_pid: int, think: Think, limits: Limits, fences: Fences) -> Minds:
    """Where the reaper asks for them."""

    def live_thinking(newborn: Newborn, arena: list[int]) -> NoReturn:
        live(newborn, lambda _: think(arena), limits=limits, silent=True, fences=fences, title="noghost: thinking")

    return Minds(asked, reaper_pid, live_thinking)
