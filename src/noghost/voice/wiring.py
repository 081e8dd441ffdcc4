"""What a service with a voice has besides: parents of ears and mouths, and itself as the parent of minds. In the
warden, before it loads anything; without a voice nothing more is imported here.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from noghost.board import Board
from noghost.config import Config
from noghost.messages import Voice
from noghost.reaper.duty import Duty
from noghost.reaper.spawn import connected

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from noghost.api.here import Here
    from noghost.instance.life import Instance
    from noghost.instance.sandbox import Fences
    from noghost.voice.find import Voiced
    from noghost.voice.minds import Think
    from noghost.warden.minds import Minds


def find_voices(config: Config) -> tuple[Voiced, ...]:
    """What hears and what speaks, where that is asked for. Raises ConfigError."""
    if not config.voice:
        return ()
    from noghost.voice.find import find_all

    return find_all(config)


def told_of(voices: tuple[Voiced, ...]) -> dict[str, Any]:
    """What an instance knows of them (api/here.py)."""
    return {"voices": tuple(voice.name for voice in voices), "speakers": voices[-1].speakers if voices else ()}


def start_others(
    config: Config,
    duty: Duty,
    board: Board,
    shut: tuple[socket.socket, ...],
    connector: socket.socket | None,
    voices: tuple[Voiced, ...],
) -> tuple[socket.socket, int, Callable[[], None], socket.socket | None]:
    """The reaper: the socket to it and its process id; the parents of voices, which load meanwhile: what waits until
    they have, or raises HostError; and where this process is asked for minds. The records name the voices' weights
    last."""
    from noghost.reaper.start import start_reaper

    asked = [connected() for _ in (*voices, Voice.MIND)] if voices else []
    shut = (*shut, *(there for _, there in asked))
    births, reaper_pid = start_reaper(duty, board, shut, connector, [here for here, _ in asked])
    if not voices:
        return births, reaper_pid, lambda: None, None
    from noghost.voice.start import start, wait_until_ready

    first = len(duty.stated.weights) - len(voices)
    numbered = enumerate(zip(voices, asked, strict=False), first)
    parents = [start(voice, there, number, reaper_pid, config) for number, (voice, (_, there)) in numbered]
    return births, reaper_pid, partial(wait_until_ready, parents), asked[-1][1]


def minds_for(asked: socket.socket, reaper_pid: int, think: Think, config: Config, fences: Fences) -> Minds:
    """The warden as the parent of minds."""
    from noghost.voice.minds import minds_at

    return minds_at(asked, reaper_pid, think, config.limits, fences)


def thinker_for(app: Starlette, now_of: Callable[[Instance], Here], keep: Callable[[], tuple[int, ...]]) -> Think:
    """How a mind is made ready."""
    from noghost.voice.minds import thinker

    return thinker(app, now_of, keep)
