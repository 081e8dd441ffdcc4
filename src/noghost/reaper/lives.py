"""What the reaper knows of one instance, and how that ended. In the reaper, from an instance's birth to its record."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field

from noghost.ledger.entry import BUCKET_MAX
from noghost.messages import MAX_BYTES, Ended, Follow, Message, Open, Outcome, Wipe, unpack
from noghost.reaper import trace
from noghost.reaper.arenas import Arena
from noghost.reaper.refusals import Expected
from noghost.reaper.wipe import Steps, Wiped

NOTHING = Wiped(0, 0)
LAST_WORDS = set(Outcome) - {Outcome.LOST}
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP}


@dataclass(slots=True)
class Life:
    """What the reaper knows of one instance."""

    pid: int
    line: socket.socket
    windows: trace.Windows | None = None
    follow: Follow | None = None  # its caller has a key to its end
    attested: bytes | None = None  # the invocation for which it had a key signed
    wants: Open | None = None
    opened: bool = False  # the "opened" entry is written
    ended: Ended | None = None
    expelled: bool = False  # the reaper itself ended it, whatever it said before
    listener: int = -1  # the kernel tells of refused system calls here
    expected: Expected = field(default_factory=Expected)  # refusals that are a load's own
    refusals: int = 0
    wipe: Wipe = Wipe.UNSEEN
    wiped: Wiped = NOTHING
    wiping: Steps | None = None  # what is left of its wipe
    status: int | None = None  # wait status; unknown where nobody traced
    born_ns: int = field(default_factory=time.monotonic_ns)
    asked_ns: int = 0  # when it wanted a seat
    stop_ns: int = 0
    gone_ns: int = 0
    arenas: list[Arena] = field(default_factory=list)  # what it shares with its voices; a voice has one
    voice_of: int = 0  # the instance that a voice is for
    is_mind: bool = False  # that voice is a model, and takes a seat
    taken: set[type[Message]] = field(default_factory=set)  # kinds that are allowed once and came


def is_sound(word: Ended) -> bool:
    """Whether a last word can stand in the ledger."""
    return word.outcome in LAST_WORDS and max(word.prompt_bucket, word.answer_bucket) <= BUCKET_MAX


def hear_last_word(life: Life) -> None:
    """What it said right before its end may be unread: the end was seen first."""
    with suppress(OSError, ValueError):
        message = unpack(life.line.recv(MAX_BYTES), Ended)
        if life.ended is None and is_sound(message):
            life.ended = message


def outcome_of(life: Life) -> Outcome:
    """How the invocation ended, from its wait status and its own last word: a SIGKILL after that is its own, unless
    the reaper sent it."""
    said = None if life.expelled else life.ended
    number = os.WTERMSIG(life.status) if life.status is not None and os.WIFSIGNALED(life.status) else 0
    if number and not (said and number == signal.SIGKILL):
        return outcome_of_signal(number)
    return Outcome(said.outcome) if said else Outcome.CRASHED


def outcome_of_signal(number: int) -> Outcome:
    """SIGALRM is the instance's own deadline; an assertion of native code, a fault, or somebody outside."""
    if number == signal.SIGALRM:
        return Outcome.TIMEOUT
    if number == signal.SIGABRT:
        return Outcome.ABORTED
    return Outcome.CRASHED if number in CRASHES else Outcome.KILLED
