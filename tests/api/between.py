"""Somebody between caller and service, who writes down every byte and may change the service's sealed messages."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from api.records import copy
from noghost.sealed.frames import BINARY, Frames, frame

MOST = 1 << 20
SEALED = b"GET /v1/sealed "
END = b"\r\n\r\n"
Change = Callable[[int, bytes], list[bytes]]  # number and message -> what is passed on in its place


def unchanged(_number: int, message: bytes) -> list[bytes]:
    return [message]


@dataclass
class Wire:
    """One connection's bytes, as the caller and as the service sent them."""

    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)

    @property
    def is_sealed(self) -> bool:
        return self.up.startswith(SEALED)

    def messages(self) -> list[bytes]:
        """What the caller said over its WebSocket, unmasked."""
        return list(Frames(MOST, masked=True).take(bytes(self.up).partition(END)[2]))


@dataclass
class Between:
    """Where callers find it, and what it saw."""

    port: int
    wires: list[Wire] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def has(self, text: str) -> bool:
        """Whether a text was on the wire, in the clear or within a message."""
        told = [part for wire in self.wires for part in (wire.up, wire.down)]
        told += [bytearray(message) for wire in self.wires if wire.is_sealed for message in wire.messages()]
        return any(text.encode() in part for part in told)


@contextmanager
def between(port: int, change: Change = unchanged) -> Iterator[Between]:
    """In front of the service at `port`, for as many connections as come."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        seen = Between(door.getsockname()[1])
        threading.Thread(target=accept, args=(door, port, change, seen), daemon=True).start()
        yield seen
        door.shutdown(socket.SHUT_RDWR)  # `close` alone would not end the other thread's accept


def accept(door: socket.socket, port: int, change: Change, seen: Between) -> None:
    with suppress(OSError):
        while True:
            caller = door.accept()[0]
            seen.wires.append(Wire())
            threading.Thread(target=carry, args=(caller, port, change, seen.wires[-1]), daemon=True).start()


def carry(caller: socket.socket, port: int, change: Change, wire: Wire) -> None:
    """One connection to its end."""
    with caller, socket.create_connection(("127.0.0.1", port)) as there, suppress(OSError):
        first = caller.recv(65536)
        wire.up += first
        there.sendall(first)
        threading.Thread(target=copy, args=(caller, there, wire.up), daemon=True).start()
        if wire.is_sealed:
            pass_on(there, caller, change, wire.down)
        else:
            copy(there, caller, wire.down)
        caller.shutdown(socket.SHUT_RDWR)  # the other thread still reads from it


def pass_on(there: socket.socket, caller: socket.socket, change: Change, kept: bytearray) -> None:
    """The service's messages, each as `change` has it."""
    head = b""
    while not head.endswith(END):
        head += there.recv(1)
    caller.sendall(head)
    frames, number = Frames(MOST, masked=False), 0
    while data := there.recv(65536):
        kept += data
        for message in frames.take(data):
            for one in change(number, message):
                caller.sendall(frame(BINARY, one, masks=False))
            number += 1


def flip(message: bytes) -> bytes:
    """With another last bit."""
    return message[:-1] + bytes([message[-1] ^ 1])
