"""The first steps of `noghost ask`, before it imports what answers. In the command's process."""

from __future__ import annotations

from setproctitle import setproctitle

from noghost.reaper.spawn import Spawned, spawn_reaper


def start_ahead() -> Spawned:
    """Take the question out of the process list; start the reaper, which gets ready while the command imports."""
    setproctitle("noghost: ask")
    return spawn_reaper()
