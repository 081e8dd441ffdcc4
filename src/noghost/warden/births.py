"""Fork one instance for one connection. In the warden; `live` runs in the child and never returns."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from noghost.instance.exit import leave
from noghost.instance.newborn import Newborn
from noghost.messages import MAX_BYTES, Birth, Bring, pack, unpack
from noghost.timeline import Timeline

Live = Callable[[Newborn], NoReturn]
ARENA_DESCRIPTORS = 3  # an arena, two bells


@dataclass(frozen=True, slots=True)
class Nursery:
    """What every birth needs."""

    births: socket.socket  # to the reaper
    reaper_pid: int
    live: Live
    before: Callable[[], None] | None = None  # in the warden, before each fork


def bear(connection: socket.socket | None, nursery: Nursery, *, knock_ns: int | None = None, busy: bool = False) -> int:
    """Fork; hand the line to the reaper; the child's process id. The connection is closed here, unread.

    `knock_ns`: since when it could be read, now if not given. `busy`: it is only to be told to come back later.
    """
    timeline = Timeline(knock_ns)
    if nursery.before is not None:
        nursery.before()
    warden_pid = os.getpid()
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        pid = os.fork()
    except OSError:
        here.close()
        there.close()
        raise
    if pid == 0:
        try:
            timeline.reach("fork")
            here.close()
            be_a_child()
            nursery.live(Newborn(connection, there, warden_pid, nursery.reaper_pid, busy, timeline))
        finally:
            leave()
    there.close()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # no reaper: the gate stays shut
        socket.send_fds(nursery.births, [pack(Birth(pid))], [here.fileno()])
    here.close()
    if connection is not None:
        connection.close()
    return pid


def bear_for(asked: socket.socket, reaper_pid: int, live: Callable[[Newborn, list[int]], NoReturn]) -> bool:
    """Fork one voice as the reaper asked; `live` gets what came with that. False where the reaper is gone.

    Here in a parent of voices, which the warden is too. OSError where nothing was asked yet, and asking does not block.
    """
    data, arena = b"", list[int]()
    with contextlib.suppress(ConnectionResetError):
        data, arena, _, _ = socket.recv_fds(asked, MAX_BYTES, ARENA_DESCRIPTORS)
    if not data:
        return False
    unpack(data, Bring)
    try:
        if len(arena) < ARENA_DESCRIPTORS:
            raise OSError
        bear(None, Nursery(asked, reaper_pid, lambda newborn: live(newborn, arena)))
    except OSError:  # short of memory or descriptors: there is none
        with contextlib.suppress(OSError):
            asked.send(pack(Birth(0)))
    for descriptor in arena:
        os.close(descriptor)
    return True


def be_a_child() -> None:
    """In the child, first thing: the warden's signal arrangements are not the instance's."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
