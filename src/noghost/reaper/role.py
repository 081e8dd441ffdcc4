"""Become the reaper: fork from the service, open the ledger, watch. In the reaper, from fork to end."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from setproctitle import setproctitle

from noghost.board import Board
from noghost.errors import NoghostError
from noghost.ledger.store import Ledger
from noghost.log import Event, log
from noghost.reaper.record import LedgerRecorder, Recorder, Stated, minute_now
from noghost.reaper.seats import Seats
from noghost.reaper.watch import Reaper
from noghost.reaper.wipe import Wiper, wipe

SOCKET_BUFFER_BYTES = 1 << 20  # room for a Birth and a Gone of every instance that may be alive


@dataclass(frozen=True, slots=True)
class Duty:
    """What this reaper is to do."""

    ledger: Path
    stated: Stated
    seats: int
    unverified: bool = False
    exact: bool = False  # exact figures to the warden: only where the warden is its own caller
    wiper: Wiper = wipe


def start_reaper(duty: Duty, board: Board) -> tuple[socket.socket, int]:
    """Fork the reaper, before the service imports or loads much; (the warden's end of their socket, process id)."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (here, there):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            here.close()
            status = guarded(lambda: be_the_reaper(duty, board, there))
        finally:
            os._exit(status)
    there.close()
    board.forget_writing()
    return here, pid


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


def be_the_reaper(duty: Duty, board: Board, births: socket.socket) -> None:
    """Open the ledger, say what an earlier run left open, watch until the warden and every instance are gone."""
    setproctitle("noghost: reaper")
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # it outlives those that these are meant for
        signal.signal(number, signal.SIG_IGN)
    with Ledger.open(duty.ledger) as ledger:
        if lost := ledger.recover_lost(minute_now()):
            log(Event.LOST, count=lost)
        gc.freeze()
        recorder: Recorder = LedgerRecorder(ledger, duty.stated)
        seats = Seats(duty.seats, board)
        Reaper(births, recorder, seats, unverified=duty.unverified, exact=duty.exact, wiper=duty.wiper).run()
