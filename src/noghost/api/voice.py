"""One voice for this invocation: record, process, and the record on the disk at the end. In an instance."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from noghost.api.compute import Compute
from noghost.api.here import Here
from noghost.messages import Voice
from noghost.speech.ends import Arenas, Brought


class Call:
    """`bring` once, then `settle` before the last of the answer leaves."""

    def __init__(self, here: Here, voice: Voice, commitment: bytes | None) -> None:
        self._here = here
        self._voice = voice
        self._whole = threading.Event()
        self._steps: Compute[Brought | None] = Compute(lambda: self._recorded(commitment))

    async def bring(self) -> Brought:
        """The process. Raises LedgerError, RequestError."""
        brought = await self._steps.next()
        assert brought is not None
        return brought

    def hush(self) -> None:
        """End it now."""
        self._here.recorder.hush(0, at_once=True)

    async def settle(self) -> None:
        """The record is on the disk. Raises LedgerError."""
        self._whole.set()
        await self._steps.next()

    def _recorded(self, commitment: bytes | None) -> Iterator[Brought | None]:
        """In the thread that may wait."""
        here = self._here
        here.open(here.number_of(self._voice), commitment)
        yield Arenas().take(*here.recorder.bring(self._voice))
        self._whole.wait()
        here.recorder.sync()
        yield None
