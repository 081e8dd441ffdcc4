"""Ask the connector for what an instance is connected with. In the reaper.

Covered: an instance says that it wants its connection, and no more; to whom follows from the model in its "opened"
entry, which is written by then. So nothing leaves this machine without a record that says to which host.
Not covered: what the instance sends over the connection.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from noghost.log import Event, log
from noghost.messages import Answer, Connected, Dial, Open, pack
from noghost.upstream import REMOTE


class Outward:
    """The way to the connector; without one there is no remote model. `weights` is what receipts state, by model."""

    def __init__(self, connector: socket.socket | None = None, weights: tuple[str, ...] = ()) -> None:
        self._connector = connector
        self._remote = [index for index, named in enumerate(weights) if named.startswith(REMOTE)]

    def is_remote(self, wanted: Open) -> bool:
        """Somebody else computes it."""
        return wanted.model in self._remote

    def dial(self, wanted: Open, line: socket.socket) -> None:
        """Have the connection that was recorded opened, and the answer given on `line`, this end of an instance's."""
        if self._connector is not None:
            dial = pack(Dial(self._remote.index(wanted.model)))
            with suppress(OSError):
                socket.send_fds(self._connector, [dial], [line.fileno()], socket.MSG_DONTWAIT)
                return
        log(Event.CONNECTOR_GONE)
        with suppress(OSError):
            line.send(pack(Connected(Answer.UNREACHABLE)))
