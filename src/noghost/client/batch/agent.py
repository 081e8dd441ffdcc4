"""The agent of one node: owns its service, and passes bytes between callers elsewhere and new instances there.

What goes through is sealed (spec/sealed-v1.md): an agent has neither the key of a caller nor that of an instance. There
is one on each node that takes part, for all batches together; it is in a process of its own and ends with the last of
them. It knows nothing of Ray, which starts it (on_ray.py).

Covered: a request and its answer are ciphertext here, and in whatever carries them to here; however many batches there
are, no more lines compute at once than the node has seats, first come, first served.
Not covered: sizes and times; who runs the node, as anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from contextlib import ExitStack

from noghost.client.hunt.launch import own_service
from noghost.client.reach import place_of
from noghost.errors import HuntError
from noghost.ledger.statement import OPENING_MAX_BYTES
from noghost.sealed.frames import Frames

READ_BYTES = 1 << 16
HEAD_END = b"\r\n\r\n"
LOOK_S = 0.5
NOBODY = ""  # whoever had it started, until that one says so
SILENT_S = 60.0  # without a word of it, a batch is taken for gone: its caller was killed

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Agent:
    """Its methods run side by side, in one loop. `begin` and `finish` raise HuntError where the service does not
    answer."""

    def __init__(self, models: tuple[str, ...], seats: int) -> None:
        """Start the node's service; its ledger is the node's own."""
        options = ("--seats", str(seats), *(word for model in models for word in ("--model", model)))
        self._held = ExitStack()
        self._place = place_of(self._held.enter_context(own_service(options, own_data=False, ends_with_us=True)))
        self._models = models
        self._batches = {NOBODY: time.monotonic()}  # by name: when it was last heard of
        self._batches_lock = threading.Lock()
        self._calls: dict[int, Connection] = {}
        self._numbers = itertools.count()
        threading.Thread(target=self._end, daemon=True).start()

    async def here(self, batch: str) -> tuple[str, ...]:
        """A batch is there, and says so again and again. (the models that the service was started with)."""
        with self._batches_lock:
            self._batches.pop(NOBODY, None)
            self._batches[batch] = time.monotonic()
        return self._models

    async def left(self, batch: str) -> None:
        """It is over."""
        with self._batches_lock:
            self._batches.pop(batch, None)

    def _end(self) -> None:
        """In a thread: end the service, and this process, once no batch is there."""
        while True:
            time.sleep(LOOK_S)
            with self._batches_lock:  # so that none is told that it was heard, and finds nobody
                if not any(time.monotonic() - heard_s < SILENT_S for heard_s in self._batches.values()):
                    self._held.close()
                    os._exit(0)

    async def begin(self, upgrade: bytes) -> tuple[int, bytes]:
        """Have an instance born. (its number here, what it said first: the answer to the upgrade, and its opening)."""
        try:
            reader, writer = await asyncio.open_connection(sock=self._place.connect())
            writer.write(upgrade)
            said = await first_words(reader)
        except OSError as error:
            raise HuntError(f"the service of this node does not answer ({type(error).__name__})") from None
        number = next(self._numbers)
        self._calls[number] = reader, writer
        return number, said

    async def finish(self, number: int, sealed: bytes) -> bytes:
        """Send the sealed request, and return all that comes until the instance is gone."""
        reader, writer = self._calls.pop(number)
        try:
            writer.write(sealed)
            return await reader.read()
        except OSError as error:
            raise HuntError(f"the service of this node broke off ({type(error).__name__})") from None
        finally:
            writer.close()

    async def leave(self, number: int) -> None:
        """Of one that is not to be finished: its instance ends."""
        if connection := self._calls.pop(number, None):
            connection[1].close()


async def first_words(reader: asyncio.StreamReader) -> bytes:
    """Up to the end of the first message, or of a refusal."""
    said, frames = b"", Frames(OPENING_MAX_BYTES, masked=False)
    fed = 0
    while data := await reader.read(READ_BYTES):
        said += data
        end = said.find(HEAD_END)
        if end >= 0:
            fed = max(fed, end + len(HEAD_END))
            if any(frames.take(said[fed:])):
                break
            fed = len(said)
    return said
