"""A watcher on the wire: a proxy that hands TLS on unread and notes the length of each record from the service.

A record's header is plain: type, version, length (RFC 8446, 5.1). Nothing else of it is looked at.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

APPLICATION_DATA = 0x17
HEADER_BYTES = 5


@dataclass
class Watcher:
    """Lengths of the application data records that the service sent, in order, of one connection."""

    port: int
    lengths: list[int] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def note(self, data: bytes) -> None:
        """What the service sent, all of it."""
        while len(data) >= HEADER_BYTES:
            length = int.from_bytes(data[3:HEADER_BYTES])
            if data[0] == APPLICATION_DATA:
                self.lengths.append(length)
            data = data[HEADER_BYTES + length :]


@contextmanager
def watching(port: int) -> Iterator[Watcher]:
    """Between one caller and the service at `port`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        watcher = Watcher(listener.getsockname()[1])
        thread = threading.Thread(target=relay, args=(listener, port, watcher), daemon=True)
        thread.start()
        yield watcher
        thread.join(30)


def relay(listener: socket.socket, port: int, watcher: Watcher) -> None:
    """One connection, both ways, to its end."""
    caller, _ = listener.accept()
    sent = bytearray()
    with caller, socket.create_connection(("127.0.0.1", port)) as service:
        up = threading.Thread(target=copy, args=(caller, service, bytearray()), daemon=True)
        up.start()
        copy(service, caller, sent)
        up.join(30)
    watcher.note(bytes(sent))
    watcher.done.set()


def copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    """Until the source ends; the target is told."""
    try:
        while data := source.recv(65536):
            kept += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
