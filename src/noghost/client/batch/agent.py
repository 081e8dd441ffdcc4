"""The agent of one node: owns its service, and passes bytes between a caller elsewhere and new instances there.

What goes through is sealed (spec/sealed-v1.md): an agent has neither the key of a caller nor that of an instance. One
lives on each node that takes part, as long as the batch does; it knows nothing of Ray, which starts it (on_ray.py).

Covered: a request and its answer are ciphertext here, and in whatever carries them to here.
Not covered: sizes and times; who runs the node, as anywhere.
"""

from __future__ import annotations

import itertools
import socket
import threading
from contextlib import ExitStack

from noghost.client.hunt.launch import own_service
from noghost.client.reach import place_of
from noghost.errors import HuntError
from noghost.ledger.statement import OPENING_MAX_BYTES
from noghost.sealed.frames import Frames

READ_BYTES = 1 << 16
HEAD_END = b"\r\n\r\n"


class Agent:
    """Any thread may call any method. Each raises HuntError where the service does not answer."""

    def __init__(self, models: tuple[str, ...]) -> None:
        """Start the node's service; its ledger is the node's own."""
        options = tuple(word for model in models for word in ("--model", model))
        self._held = ExitStack()
        self._place = place_of(self._held.enter_context(own_service(options, own_data=False, ends_with_us=True)))
        self._calls: dict[int, socket.socket] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def begin(self, upgrade: bytes) -> tuple[int, bytes]:
        """Have an instance born. (its number here, what it said first: the answer to the upgrade, and its opening)."""
        try:
            connection = self._place.connect()
            connection.sendall(upgrade)
            said = first_words(connection)
        except OSError as error:
            raise HuntError(f"the service of this node does not answer ({type(error).__name__})") from None
        with self._lock:
            number = next(self._numbers)
            self._calls[number] = connection
        return number, said

    def finish(self, number: int, sealed: bytes) -> bytes:
        """Send the sealed request, and return all that comes until the instance is gone."""
        with self._lock:
            connection = self._calls.pop(number)
        try:
            with connection:
                connection.sendall(sealed)
                return b"".join(iter(lambda: connection.recv(READ_BYTES), b""))
        except OSError as error:
            raise HuntError(f"the service of this node broke off ({type(error).__name__})") from None

    def leave(self, number: int) -> None:
        """Of one that is not to be finished: its instance ends."""
        with self._lock:
            connection = self._calls.pop(number, None)
        if connection is not None:
            connection.close()


def first_words(connection: socket.socket) -> bytes:
    """Up to the end of the first message, or of a refusal."""
    said, frames = b"", Frames(OPENING_MAX_BYTES, masked=False)
    fed = 0
    while data := connection.recv(READ_BYTES):
        said += data
        end = said.find(HEAD_END)
        if end >= 0:
            fed = max(fed, end + len(HEAD_END))
            if any(frames.take(said[fed:])):
                break
            fed = len(said)
    return said
