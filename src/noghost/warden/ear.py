"""A socket that is listened to as long as that is wanted. In the warden, for as long as the service runs."""

from __future__ import annotations

import select
import socket


class Ear:
    """One for each place where somebody may knock."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._listening = False

    def mind(self, poll: select.epoll, *, wanted: bool) -> None:
        """Begin or cease to listen, where that is a change."""
        if wanted and not self._listening:
            poll.register(self._listener, select.EPOLLIN)
        elif not wanted and self._listening:
            poll.unregister(self._listener)
        self._listening = wanted

    def hears(self, descriptor: int) -> bool:
        """Whether it was here that somebody knocked."""
        return self._listening and descriptor == self._listener.fileno()
