"""Be the reaper: open the ledger, watch. In the reaper, from its start to its end.

What it needs is imported there, and no other process waits for that.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from noghost.board import Board
from noghost.ledger.store import Ledger
from noghost.log import Event, log
from noghost.reaper.duty import Duty, Stated
from noghost.reaper.fork import guarded
from noghost.reaper.outward import Outward
from noghost.reaper.record import LedgerRecorder, Recorder, minute_now
from noghost.reaper.seats import Seats
from noghost.reaper.spawn import outlive
from noghost.reaper.stopped import Stopped
from noghost.reaper.voices import Voices
from noghost.reaper.watch import Reaper


def be_the_reaper(
    duty: Duty,
    board: Board,
    births: socket.socket,
    connector: socket.socket | None = None,
    parents: Sequence[socket.socket] = (),
) -> None:
    """Open the ledger, say what an earlier run left open, watch until the warden and every instance are gone. It has
    been told to `outlive` signals before."""
    with Ledger.open(duty.ledger) as ledger:
        if lost := ledger.recover_lost(minute_now()):
            log(Event.LOST, count=lost)
        gc.freeze()
        gc.enable()  # a warden that still loads, whose fork this may be, has it off
        recorder: Recorder = LedgerRecorder(ledger, duty.stated)
        seats = Seats(duty.seats, board, duty.queue)
        Reaper(
            births,
            recorder,
            seats,
            Stopped(board),
            board.counts,
            unverified=duty.unverified,
            exact=duty.exact,
            most_refusals=duty.most_refusals,
            on_demand=duty.on_demand,
            tries=duty.tries,
            wiper=duty.wiper,
            outward=Outward(connector, duty.stated.weights),
            voices=Voices(parents, duty.voices, duty.zeroer),
        ).run()
        recorder.settle()


def read_duty(descriptor: int) -> Duty | None:
    """In the spawned reaper: its duty; None when the command ended without one."""
    with os.fdopen(descriptor, encoding="utf-8") as pipe:
        text = pipe.read()
    if not text:
        return None
    work = json.loads(text)
    told: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in work["stated"].items()}
    stated = Stated(**told)
    return Duty(**work | {"ledger": Path(work["ledger"]), "stated": stated})


def main() -> None:
    """In a spawned reaper: take the duty, which holds nothing that was asked, and be it."""
    births = socket.socket(fileno=int(sys.argv[1]))
    duty = read_duty(int(sys.argv[2]))
    if duty is None:
        sys.exit(0)
    outlive()
    sys.exit(guarded(lambda: be_the_reaper(duty, Board(), births)))
