"""Hold a few conversations before anybody calls, as api/rehearse.py does for HTTP and for its reasons. In the warden,
before fork; the words are ours and public.

None of them goes as far as a model or a voice: those begin a thread, which a warden must not have.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from noghost.api.equipment import equip
from noghost.api.here import Here, Recorder
from noghost.api.strict import build_all
from noghost.api.wyoming.events import render
from noghost.api.wyoming.talk import converse
from noghost.config import Limits
from noghost.messages import Outcome
from noghost.timeline import Timeline

ASIDES = b"".join(
    render(kind, data)
    for kind, data in (
        ("describe", {}),
        ("ping", {"text": "rehearsal"}),
        ("select-program", {"name": "noghost"}),
        ("rehearsal", {}),
    )
)
TALKS = (
    ASIDES + render("transcript", {"text": "rehearsal"}),  # there is no model that could answer it
    render("transcribe", {"language": "la"}),
    render("audio-start", {"rate": 0}),
    render("synthesize", {"text": "rehearsal", "voice": {"language": "la"}}),
    render("synthesize-start", {"voice": {"name": "rehearsal"}}),
    b"rehearsal\n",
)
VOICES = ("moonshine-tiny-en", "mouth")
TIMES = 10  # CPython 3.11 and later specialise a function once it was called 8 times


def rehearse(limits: Limits) -> list[Outcome]:
    """How they ended: every one with an error."""
    build_all()
    outcomes = [hold(talk, limits) for _ in range(TIMES) for talk in TALKS]
    asyncio.set_event_loop(None)
    return outcomes


def hold(talk: bytes, limits: Limits) -> Outcome:
    """One, over a pair of sockets."""
    here, there = socket.socketpair()
    with there:
        there.sendall(talk)
        equipment = equip(here, limits.stall_s)
        nobody = cast(Recorder, None)  # nothing is recorded of a rehearsal
        now = Here(bytes(16), Timeline(), (), nobody, limits, 1, lambda: 1, voices=VOICES, speakers=VOICES[1:])
        outcome = equipment.loop.run_until_complete(converse(equipment, now))
    equipment.after.close()
    equipment.loop.close()
    return outcome
