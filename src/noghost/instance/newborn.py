"""What an instance has at birth: handed from the warden's fork to the instance's life."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from noghost.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Newborn:
    """The connection is accepted and unread; it is None where the caller's own terminal takes its place."""

    connection: socket.socket | None
    line: socket.socket  # to the reaper
    warden_pid: int
    reaper_pid: int
    busy: bool = False  # too many are alive: it is only to be told to come back later
    timeline: Timeline = field(default_factory=Timeline)  # begins at the caller's first byte
