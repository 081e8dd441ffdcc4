"""The instance's line to the reaper: one question, one answer, no content. In the instance."""

from __future__ import annotations

import contextlib
import socket
from typing import TypeVar

from noghost.errors import HOW_TO_TRACE, HostError, LedgerError, ReceiptNotFound, RequestError
from noghost.ledger.entry import bucket
from noghost.messages import (
    MAX_BYTES,
    Answer,
    Ask,
    Attest,
    Brought,
    Confined,
    Connect,
    Connected,
    Durable,
    Ended,
    Fate,
    Follow,
    Found,
    Gate,
    Hush,
    Lookup,
    Message,
    Open,
    Opened,
    Outcome,
    Ready,
    Recall,
    Sync,
    Wish,
    pack,
    unpack,
)

M = TypeVar("M", bound=Message)
QUEUE_FULL = "too many requests wait for a seat in this service; come back later"
UPSTREAM_AWAY = "the provider of this model cannot be connected with"
UPSTREAM_LATE = "the provider of this model did not take the connection in time"
VOICES_FULL = "too many speak or listen in this service; come back later"
VOICELESS = "the process that hears or speaks cannot be had; the service's log says why"
LEDGER_HINT = "the service's ledger cannot be written; nothing is computed unrecorded"


class Line:
    """Blocking: the instance asks from its compute thread, never from the thread that watches the caller."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._has_ended = False

    def wait_at_gate(self) -> None:
        """Until the reaper traces this process; raises HostError when it cannot or is gone."""
        if self._hear(Gate).answer != Answer.YES:
            raise HostError("the reaper cannot trace a process on this host", HOW_TO_TRACE)

    def hand_over(self, listener: int) -> None:
        """Give the reaper the descriptor on which the kernel tells it of refused system calls."""
        socket.send_fds(self._end, [pack(Confined())], [listener])

    def follow(self, digest: bytes, knock_ns: int, born_ns: int) -> None:
        """Before `open`: this invocation's end may be told to who has the key of that SHA-256."""
        self._say(Follow(digest, knock_ns, born_ns))

    def fate(self, digest: bytes) -> Fate | None:
        """How the one ended to which that is the key; None if it did not yet, or is not known any more."""
        self._say(Recall(digest))
        fate = self._hear(Fate)
        return fate if fate.answer == Answer.YES else None

    def open(
        self,
        invocation: bytes,
        model: int,
        commitment: bytes | None,
        *,
        threads: int | None = None,
        template: int = 0,
        seed: int | None = None,
        seatless: bool = False,
    ) -> None:
        """Wait for a seat, unless it is `seatless`, and for the "opened" entry, which holds `seed` if one is given.

        Raises LedgerError when the entry cannot be written, and RequestError when too many wait already.
        """
        committed, seeded = commitment is not None, seed is not None
        digest = commitment or bytes(32)
        self._say(Open(invocation, model, committed, digest, threads or 0, template, seeded, seed or 0, seatless))
        answer = self._hear(Opened).answer
        self._expect_seat(answer, "the invocation could not be recorded")

    def ready(self) -> None:
        """Return if an invocation could open now; raises as `open` does."""
        self._say(Ask())
        self._expect_seat(self._hear(Ready).answer, "no invocation can be recorded now")

    def sync(self) -> None:
        """Until the entry is on the disk; raises LedgerError when it cannot be."""
        self._say(Sync())
        if self._hear(Durable).answer != Answer.YES:
            raise LedgerError("the record of the invocation is not on the disk", LEDGER_HINT)

    def connect(self) -> socket.socket:
        """The connection to the upstream of the model that was opened, not blocking. Raises RequestError."""
        self._say(Connect())
        data, descriptors, _, _ = socket.recv_fds(self._end, MAX_BYTES, 1)
        answer = unpack(data, Connected).answer if data else Answer.UNREACHABLE
        if answer == Answer.LATE:
            raise RequestError(UPSTREAM_LATE, status=504, code="upstream_timeout")
        if answer != Answer.YES or not descriptors:
            raise RequestError(UPSTREAM_AWAY, status=502, code="upstream_unreachable")
        connection = socket.socket(proto=0, fileno=descriptors[0])  # no protocol: asking for it is a call too many
        connection.setblocking(False)
        return connection

    def attest(self, invocation: bytes, public: bytes) -> bytes:
        """The opening of a sealed invocation with this one-time key; LedgerError when it cannot be signed."""
        self._say(Attest(invocation, public))
        found = self._hear(Found)
        if found.answer != Answer.YES:
            raise LedgerError("the key of this invocation cannot be signed now", LEDGER_HINT)
        return found.text

    def bring(self, voice: int) -> tuple[int, int, int, int]:
        """A process of this voice; (number of its arena, arena, the bell that it hears, the bell that it rings). Raises
        RequestError."""
        self._say(Wish(voice))
        data, descriptors, _, _ = socket.recv_fds(self._end, MAX_BYTES, 3)
        found = unpack(data, Brought) if data else Brought(Answer.VOICELESS)
        if found.answer == Answer.FULL:
            raise RequestError(VOICES_FULL, status=503, code="queue_full")
        if found.answer != Answer.YES or len(descriptors) != 3:
            raise RequestError(VOICELESS, status=503, code="no_voice")
        arena, hears, rings = descriptors
        return found.number, arena, hears, rings

    def hush(self, number: int, *, at_once: bool) -> None:
        """The arena of this number is looked into no more; end its voice, or let it end by itself."""
        self._say(Hush(number, at_once))

    def receipt(self, invocation: bytes, since: int = 0) -> str:
        """The text of a receipt; raises ReceiptNotFound, or LedgerError when the ledger fails."""
        self._say(Lookup(invocation, since))
        found = self._hear(Found)
        if found.answer == Answer.LEDGER_FAILED:
            raise LedgerError("the receipt cannot be read now", LEDGER_HINT)
        if found.answer != Answer.YES:
            raise ReceiptNotFound("there is no invocation with that id")
        return found.text.decode()

    def last_word(
        self, outcome: Outcome, prompt_tokens: int = 0, answer_tokens: int = 0, commitment: bytes | None = None
    ) -> None:
        """Say how this invocation ends; token counts leave as powers of two, and what commits to the answer where the
        caller asked for that. Said once: the first word counts. A reaper that is gone is no error."""
        if self._has_ended:
            return
        self._has_ended = True
        with contextlib.suppress(OSError):
            buckets = bucket(prompt_tokens), bucket(answer_tokens)
            self._say(Ended(outcome, *buckets, commitment is not None, commitment or bytes(32)))

    def _expect_seat(self, answer: int, unrecorded: str) -> None:
        if answer == Answer.FULL:
            raise RequestError(QUEUE_FULL, status=503, code="queue_full")
        if answer != Answer.YES:
            raise LedgerError(unrecorded, LEDGER_HINT)

    def _say(self, message: Message) -> None:
        self._end.send(pack(message))

    def _hear(self, kind: type[M]) -> M:
        data = self._end.recv(MAX_BYTES)
        if not data:
            raise HostError("the reaper is gone")
        return unpack(data, kind)
