"""A mind: the model of one turn of a conversation. It answers a chat completion whose connection is an arena.

In the process that the warden forks for it, as the reaper asks; the caller speaks to another instance, which holds the
conversation and computes nothing.

Covered: the request is checked as any caller's is; what is refused says so to that instance alone.
Not covered: keys and hosts, which were looked at when the conversation began.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from starlette.applications import Starlette
from starlette.types import Message, Send

from noghost.api.forgetting import Forgetting
from noghost.api.here import Here
from noghost.api.rehearse import scope_of, whole
from noghost.api.turn import FORGETS
from noghost.messages import Outcome
from noghost.speech.ends import VoiceEnd
from noghost.speech.frames import COUNT, MOST_FRAME_BYTES, STATUS, Kind, Memory

PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class MindEquipment:
    """What it opens before it is confined."""

    end: VoiceEnd
    loop: asyncio.AbstractEventLoop

    @property
    def descriptors(self) -> tuple[int, ...]:
        """To be kept open; the arena itself is mapped already."""
        loop = cast(Any, self.loop)  # a selector event loop: its selector and the socket pair that wakes it
        own = loop._selector.fileno(), loop._ssock.fileno(), loop._csock.fileno()
        return (self.end.hears, self.end.rings, *own)


def equip_mind(arena: list[int]) -> MindEquipment:
    """In the child, before its confinement."""
    loop = asyncio.SelectorEventLoop()
    asyncio.set_event_loop(loop)
    return MindEquipment(VoiceEnd(arena[0], arena[1], arena[2]), loop)


def think(app: Starlette, equipment: MindEquipment, now: Here) -> Outcome:
    """Its whole life."""
    app.state.here = now
    equipment.loop.run_until_complete(answer(app, equipment.end))
    return Outcome.ANSWERED if now.tally.status < 400 else Outcome.REFUSED


async def answer(app: Starlette, end: VoiceEnd) -> None:
    """Take the request, have the app answer it."""
    body = bytearray()
    forgetting: Forgetting | None = None
    while (found := end.take()) is not None and found[0] is not Kind.END:
        if found[0] is Kind.REMEMBER:
            forgetting = Forgetting(Memory.unpack(found[1]))
        else:
            body += found[1]
    await app(scope_of("POST", PATH) | {FORGETS: forgetting}, whole(bytes(body)), sender(end, forgetting))
    end.give(Kind.DONE)


def sender(end: VoiceEnd, forgetting: Forgetting | None) -> Send:
    """A `send` into the arena."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            if forgetting is not None and forgetting.forgotten:
                end.give(Kind.FORGOTTEN, COUNT.pack(forgetting.forgotten))
            end.give(Kind.STATUS, STATUS.pack(message["status"]))
            return
        data = message.get("body", b"")
        for at in range(0, len(data), MOST_FRAME_BYTES):
            end.give(Kind.PIECE, data[at : at + MOST_FRAME_BYTES])

    return send
