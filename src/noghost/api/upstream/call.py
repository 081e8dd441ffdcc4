"""One request to an upstream under way: record, connection, answer. In an instance.

Covered: the record is opened before the connection is, and on the disk before the answer's last piece leaves.
Not covered: what becomes of the request at the provider's; token counts that it does not tell.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

from noghost.api.compute import Compute
from noghost.api.here import Here
from noghost.api.upstream.exchange import Reply, post
from noghost.api.upstream.faults import refused
from noghost.api.upstream.link import Link
from noghost.api.upstream.remote import Remote


class Call:
    """One of them. `ask` once, then `settle` once all of the answer is here."""

    def __init__(self, here: Here, remote: Remote) -> None:
        self.here = here
        self.name = remote.upstream.name  # of the model, here
        self._remote = remote
        self._whole = threading.Event()  # nothing is left but to see to the record

    async def ask(self, endpoint: str, body: bytes, commitment: bytes | None) -> Reply:
        """Record, connect, ask. Raises LedgerError and UpstreamError."""
        self._steps = Compute(lambda: self._recorded(commitment))
        connection = await self._steps.next()
        assert connection is not None
        link = Link(connection, self._remote)
        await link.shake()
        reply = await post(link, self._remote, endpoint, body)
        if reply.status != 200:
            raise refused(reply.status, reply.wait)
        return reply

    def _recorded(self, commitment: bytes | None) -> Iterator[socket.socket | None]:
        """In the thread that may wait: the record, the connection; once all is there, the record on the disk."""
        here = self.here
        here.open(len(here.models) + here.remotes.index(self._remote), commitment)
        yield here.recorder.connect()
        self._whole.wait()
        here.recorder.sync()
        yield None

    async def settle(self) -> None:
        """The record is on the disk. Raises LedgerError."""
        self._whole.set()
        await self._steps.next()

    def count(self, usage: Any) -> None:
        """Token counts as the provider tells them, for the record's powers of two."""
        tally = self.here.tally
        if isinstance(usage, dict):
            tally.prompt_tokens = count_of(usage.get("prompt_tokens"))
            tally.answer_tokens = count_of(usage.get("completion_tokens"))

    def facts(self, *, path: bool) -> dict[str, Any]:
        """For the caller alone."""
        line = self.here.timeline
        return {
            "instance": self.here.hex,
            "remote": self._remote.upstream.host,
            "birth_ms": line.at_ms("confine"),
            "first_token_ms": line.at_ms("prefill"),
            **({"path_ms": line.parts_ms()} if path else {}),
        }


def count_of(value: Any) -> int:
    """A count that a record can hold."""
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0
