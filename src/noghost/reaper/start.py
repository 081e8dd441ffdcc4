"""Start the reaper of a service, by a fork. In the warden, before it loads much."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from noghost.board import Board
from noghost.reaper.duty import Duty
from noghost.reaper.fork import fork_role
from noghost.reaper.spawn import connected, outlive


def start_reaper(
    duty: Duty,
    board: Board,
    shut: tuple[socket.socket, ...] = (),
    connector: socket.socket | None = None,
    parents: Sequence[socket.socket] = (),
) -> tuple[socket.socket, int]:
    """Fork the reaper, before the service imports or loads much; (the warden's end of their socket, process id).

    `shut`: what is the warden's alone, and closed in the reaper. `connector`: where it asks for connections; the
    reaper's alone from here on, so that the connector sees its end. `parents`: of voices, the same.
    """
    here, there = connected()

    def be_it() -> None:
        outlive()
        from noghost.reaper.role import be_the_reaper

        be_the_reaper(duty, board, there, connector, parents)

    pid = fork_role(be_it, (here, *shut))
    there.close()
    for one in (*parents, *([connector] if connector else ())):
        one.close()
    board.forget_writing()
    return here, pid
