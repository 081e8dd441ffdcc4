"""What an instance has at birth: handed from the warden's fork to the instance's life."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Newborn:
    """The connection is accepted and unread; it is None where the caller's own terminal takes its place."""

    connection: socket.socket | None
    line: socket.socket  # to the reaper
    warden_pid: int
    reaper_pid: int
    knock_ns: int  # CLOCK_MONOTONIC when the connection had something to read: its caller's silence is not ours
    busy: bool = False  # too many are alive: it is only to be told to come back later
