"""Become the reaper: fork from the service, open the ledger, watch. In the reaper, from fork to end."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from setproctitle import setproctitle

from noghost.board import Board
from noghost.config import Limits
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
    queue: int = Limits().queue  # instances that may wait for a seat
    most_refusals: int = Limits().refusals  # of one instance's system calls
    wiper: Wiper = wipe


def start_reaper(duty: Duty, board: Board, shut: tuple[socket.socket, ...] = ()) -> tuple[socket.socket, int]:
    """Fork the reaper, before the service imports or loads much; (the warden's end of their socket, process id).

    `shut`: what is the warden's alone, and closed in the reaper.
    """
    here, there = connected()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for one in (here, *shut):
                one.close()
            status = guarded(lambda: be_the_reaper(duty, board, there))
        finally:
            os._exit(status)
    there.close()
    board.forget_writing()
    return here, pid


def spawn_reaper(duty: Duty) -> tuple[socket.socket, int]:
    """As start_reaper, but as a program of its own: for a command that has already read what it was asked, since a
    fork would inherit it and nobody wipes the reaper. The real wipe only; it starts while the model loads."""
    here, there = connected()
    there.set_inheritable(True)
    work = json.dumps(asdict(duty) | {"ledger": str(duty.ledger), "wiper": None})
    arguments = [sys.executable, "-m", __spec__.name, str(there.fileno()), work]
    pid = os.posix_spawn(sys.executable, arguments, os.environ)
    there.close()
    return here, pid


def connected() -> tuple[socket.socket, socket.socket]:
    """The two ends between warden and reaper."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    return ends


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
        seats = Seats(duty.seats, board, duty.queue)
        Reaper(
            births,
            recorder,
            seats,
            unverified=duty.unverified,
            exact=duty.exact,
            most_refusals=duty.most_refusals,
            wiper=duty.wiper,
        ).run()
        recorder.settle()


def main() -> None:
    """In a spawned reaper: take the duty from the arguments, which hold nothing that was asked."""
    births, work = socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2])
    stated = Stated(**work["stated"] | {"weights": tuple(work["stated"]["weights"])})
    duty = Duty(**work | {"ledger": Path(work["ledger"]), "stated": stated, "wiper": wipe})
    sys.exit(guarded(lambda: be_the_reaper(duty, Board(), births)))


if __name__ == "__main__":
    main()
