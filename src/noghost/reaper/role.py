"""Become the reaper: fork from the service, open the ledger, watch. In the reaper, from fork to end."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from noghost.board import Board
from noghost.errors import NoghostError
from noghost.ledger.store import Ledger
from noghost.log import Event, log
from noghost.reaper.duty import Duty, Stated
from noghost.reaper.outward import Outward
from noghost.reaper.record import LedgerRecorder, Recorder, minute_now
from noghost.reaper.seats import Seats
from noghost.reaper.spawn import OUTLIVED, connected
from noghost.reaper.stopped import Stopped
from noghost.reaper.voices import Voices
from noghost.reaper.watch import Reaper
from noghost.title import take_title


def start_reaper(
    duty: Duty,
    board: Board,
    shut: tuple[socket.socket, ...] = (),
    connector: socket.socket | None = None,
    parents: Sequence[socket.socket] = (),
) -> tuple[socket.socket, int]:
    """Fork the reaper, before the service imports or loads much; (the warden's end of their socket, process id).

    `shut`: what is the warden's alone, and closed in the reaper. `connector`: where it asks for connections; the
    reaper's alone from here on, so that the connector sees its end. `parents`: of voices, the same.
    """
    here, there = connected()
    pid = fork_role(lambda: be_the_reaper(duty, board, there, connector, parents), (here, *shut))
    there.close()
    for one in (*parents, *([connector] if connector else ())):
        one.close()
    board.forget_writing()
    return here, pid


def fork_role(role: Callable[[], None], shut: tuple[socket.socket, ...]) -> int:
    """Fork a process that does this and nothing else, with `shut` closed; its process id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for one in shut:
                one.close()
            status = guarded(role)
        finally:
            os._exit(status)
    return pid


def guarded(role: Callable[[], None]) -> int:
    """Exit status of the role; what went wrong is said on stderr (a reaper has no content to give away)."""
    try:
        role()
    except NoghostError as error:
        print(f"noghost: {error}", file=sys.stderr, flush=True)
        return 1
    except Exception:  # noqa: BLE001  a fault of ours: the service ends, and says where
        traceback.print_exc()
        return 1
    return 0


def be_the_reaper(
    duty: Duty,
    board: Board,
    births: socket.socket,
    connector: socket.socket | None = None,
    parents: Sequence[socket.socket] = (),
) -> None:
    """Open the ledger, say what an earlier run left open, watch until the warden and every instance are gone."""
    take_title("noghost: reaper")
    for number in OUTLIVED:
        signal.signal(number, signal.SIG_IGN)
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
    sys.exit(guarded(lambda: be_the_reaper(duty, Board(), births)) if duty else 0)
