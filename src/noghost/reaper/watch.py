"""The reaper: trace, wipe, verify, record. In the reaper, for as long as the service runs.

Covered: every ending that stops in PTRACE_EVENT_EXIT (see trace.py); the wipe comes before the process is let go,
the record after it. One thread; every step of one instance is short, so that births do not wait long.
Not covered: content. The reaper reads pages only after it has written zeros over them.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time

from noghost.errors import HostError, WipeError
from noghost.log import Event, log
from noghost.messages import (
    MAX_BYTES,
    Answer,
    Ask,
    Attest,
    Birth,
    Confined,
    Connect,
    Durable,
    Ended,
    Follow,
    Gate,
    Gone,
    Heard,
    Hush,
    Lookup,
    Message,
    Open,
    Opened,
    Outcome,
    Ready,
    Recall,
    Sync,
    Wipe,
    Wish,
    pack,
    unpack,
)
from noghost.metrics import Counts
from noghost.reaper import trace
from noghost.reaper.fates import Fates
from noghost.reaper.lives import Life, hear_last_word, is_sound, outcome_of
from noghost.reaper.outward import Outward
from noghost.reaper.record import Recorder
from noghost.reaper.refusals import Expected, Tries, is_listener, refuse_one
from noghost.reaper.seats import Seats
from noghost.reaper.stopped import Stopped
from noghost.reaper.tally import Tally
from noghost.reaper.voices import Voices, say
from noghost.reaper.wipe import Wiper, wipe_in_steps

NO_MESSAGE = bytes(1)  # no kind has this tag


class Reaper:
    """One per service. `exact` sends exact figures to the warden (only where the warden is its own caller)."""

    def __init__(
        self,
        births: socket.socket,
        recorder: Recorder,
        seats: Seats,
        stopped: Stopped,
        counts: Counts,
        *,
        most_refusals: int,
        unverified: bool = False,
        exact: bool = False,
        on_demand: tuple[int, ...] = (),
        tries: Tries = (),
        wiper: Wiper | None = None,
        outward: Outward | None = None,
        voices: Voices | None = None,
    ) -> None:
        self._births = births
        self._recorder = recorder
        self._seats = seats
        self._tally = Tally(counts, seats)
        self._unverified = unverified
        self._exact = exact
        self._wiper = wiper or wipe_in_steps
        self._outward = outward or Outward()
        self._fates = Fates()
        self._voices = voices or Voices()
        self._most_refusals = most_refusals
        self._on_demand = on_demand
        self._tries = tries
        self._lives: dict[int, Life] = {}
        self._stopped = stopped  # at their exit, wiped one by one; births and seats go between the steps
        self._selector = selectors.DefaultSelector()
        self._open = True

    def run(self) -> None:
        """Until the warden is gone and every instance with it."""
        bell = self._hang_bell()
        for births in (self._births, *self._voices.parents):
            self._selector.register(births, selectors.EVENT_READ, self._on_birth)
        self._selector.register(bell, selectors.EVENT_READ, self._on_change)
        while self._open or self._lives:
            for key, _ in self._selector.select(0 if self._stopped else None):
                key.data(key.fileobj)
            if self._stopped and self._is_wiped(self._stopped.first):
                self._stopped.leave()

    def _hang_bell(self) -> socket.socket:
        """A socket that becomes readable when a tracee changes state (SIGCHLD)."""
        here, there = socket.socketpair()
        for end in (here, there):
            end.setblocking(False)
        signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._bell_end = there
        return here

    # --- births -------------------------------------------------------------------------------------------

    def _on_birth(self, births: socket.socket) -> None:
        data, descriptors = b"", list[int]()
        with contextlib.suppress(ConnectionResetError):  # the warden died with ends unread
            data, descriptors, _, _ = socket.recv_fds(births, MAX_BYTES, 1)
        if not data:
            self._selector.unregister(births)
            if births is self._births:
                self._open = False
            else:
                self._voices.lost(births)
            return
        pid = unpack(data, Birth).pid
        if not descriptors:
            self._turn_away(pid, births)
            return
        life = Life(pid, socket.socket(fileno=descriptors[0]), expected=Expected(self._tries))
        if births is not self._births:
            self._voices.born(births, life)
        life.line.setblocking(False)
        self._lives[life.pid] = life
        self._tally.born()
        self._selector.register(life.line, selectors.EVENT_READ, lambda _line: self._on_line(life))
        self._attach(life)

    def _turn_away(self, pid: int, births: socket.socket) -> None:
        """Short of descriptors, so that the kernel dropped its line: it ends at the gate, and has read nothing. Or a
        voice's parent could not fork."""
        log(Event.NOT_TRACED)
        if births is self._births:
            self._tell_warden(Life(pid, self._births), Outcome.CRASHED)
        else:
            self._voices.failed(births)

    def _attach(self, life: Life) -> None:
        """Open the gate once the process is traced; one that died before it held nothing."""
        if self._unverified:
            life.wipe = Wipe.UNVERIFIED
            say(life, Gate(Answer.YES))
            return
        try:
            life.windows = trace.attach(life.pid)
            say(life, Gate(Answer.YES))
        except ProcessLookupError:
            self._end(life)
        except (HostError, OSError):
            log(Event.NOT_TRACED)
            say(life, Gate(Answer.NOT_TRACED))
            self._end(life)

    # --- the line -----------------------------------------------------------------------------------------

    def _on_line(self, life: Life) -> None:
        if life.line.fileno() < 0:  # its end was seen among the same events
            return
        try:
            data = self._hear(life)
        except (BlockingIOError, ConnectionResetError):
            data = b""
        if not data:
            self._selector.unregister(life.line)
            if life.windows is None:  # nobody traces it: the end of its line is its end
                self._end(life)
            elif not life.stop_ns and not self._exact:  # it lives, and said nothing at all; `ask` itself closes its own
                self._expel(life)
            return
        try:
            self._take(
                life,
                unpack(data, Confined, Attest, Open, Sync, Ended, Lookup, Ask, Connect, Follow, Recall, Wish, Hush),
            )
        except ValueError:
            self._expel(life)

    def _hear(self, life: Life) -> bytes:
        """One datagram; the first may bring the listener, and anything else that it brings makes it none of ours.
        Descriptors that come later the kernel drops."""
        if life.taken:
            return life.line.recv(MAX_BYTES)
        data, descriptors, _, _ = socket.recv_fds(life.line, MAX_BYTES, 1)
        for listener in descriptors:
            if life.listener >= 0 or not is_listener(listener):
                os.close(listener)
                return NO_MESSAGE
            life.listener = listener
            self._selector.register(listener, selectors.EVENT_READ, lambda _listener: self._on_refusal(life))
        return data

    def _on_refusal(self, life: Life) -> None:
        """An instance tried what it may not: refuse, count, and end one that does not cease."""
        if life.listener < 0:  # its end was seen among the same events
            return
        number = refuse_one(life.listener)
        if number is None:
            self._close_listener(life)
            return
        loads = life.opened and life.wants is not None and life.wants.model in self._on_demand
        if loads and life.expected.takes(number):
            return
        life.refusals += 1
        if life.refusals == 1:
            log(Event.REFUSED, call=number)
        if life.refusals >= self._most_refusals:
            self._expel(life)

    def _close_listener(self, life: Life) -> None:
        if life.listener >= 0:
            self._selector.unregister(life.listener)
            os.close(life.listener)
            life.listener = -1

    def _take(self, life: Life, message: Message) -> None:
        """Act on one message; Confined, Attest, Follow, Open, Ended and Connect are allowed once."""
        if isinstance(message, (Confined, Attest, Follow, Open, Ended, Connect)):
            if type(message) in life.taken:
                self._expel(life)
                return
            life.taken.add(type(message))
        match message:
            case Confined() if life.listener < 0:  # the kernel dropped it for want of descriptors: nobody would count
                self._expel(life)
            case Follow() if Open not in life.taken:
                life.follow = message
            case Attest() if Open not in life.taken:
                life.attested = message.invocation
                say(life, self._recorder.attest(message))
            case Open() if life.attested in (None, message.invocation):
                self._on_open(life, message)
            case Sync():
                say(life, Durable(Answer.YES if self._recorder.durable() else Answer.LEDGER_FAILED))
                self._leave_seat(life)  # all is computed: a caller that reads slowly holds up nobody
            case Ended() if is_sound(message):
                life.ended = message
            case Connect() if life.opened and life.wants and self._outward.is_remote(life.wants):
                self._outward.dial(life.wants, life.line)
            case Wish() | Hush() if life.opened and not life.voice_of:
                self._voices.take(life, message)
            case Attest() | Follow() | Open() | Ended() | Connect() | Wish() | Hush():
                self._expel(life)  # too late, unsound, or not for this one; a key for another invocation than recorded
            case Lookup():
                say(life, self._recorder.lookup(message))
            case Recall():
                say(life, self._fates.find(message.digest))
            case Ask():
                able = Answer.YES if self._recorder.ready() else Answer.LEDGER_FAILED
                say(life, Ready(Answer.FULL if self._seats.full else able))

    def _on_open(self, life: Life, wants: Open) -> None:
        """Its request is complete, which the warden is told; a seat, a place in line, or neither."""
        if not life.voice_of:
            with contextlib.suppress(OSError):  # the warden may have gone first
                self._births.send(pack(Heard(life.pid, wants.seatless)))
        # nothing is computed here; or it is, in the seat of the instance that this ear or mouth is for
        seatless = self._outward.is_remote(wants) or wants.seatless or (life.voice_of and not life.is_mind)
        if self._seats.full and not seatless:
            say(life, Opened(Answer.FULL))
            self._tally.turned_away("queue_full")
            return
        life.wants, life.asked_ns = wants, time.monotonic_ns()
        if seatless or self._seats.want(life.pid):
            self._seat(life)
        self._tally.waits()

    def _seat(self, life: Life) -> None:
        """Write "opened", then let the instance compute; only afterwards bring the entry to the disk."""
        assert life.wants is not None
        life.opened = self._recorder.opened(life.wants)
        say(life, Opened(Answer.YES if life.opened else Answer.LEDGER_FAILED))
        if life.opened:
            self._tally.opened(life)
            self._recorder.durable()
        else:
            self._tally.turned_away("ledger_failed")

    def _expel(self, life: Life) -> None:
        """A message out of turn means that the instance is not what we forked: it ends, wiped like any other."""
        log(Event.OUT_OF_TURN)
        life.expelled = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(life.pid, signal.SIGKILL)

    # --- ends ---------------------------------------------------------------------------------------------

    def _on_change(self, bell: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            bell.recv(4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | trace.WALL)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if life := self._lives.get(pid):
                self._on_status(life, status)
            elif os.WIFSTOPPED(status):  # seized, and then turned away at the gate: it holds nothing
                trace.resume(pid)

    def _on_status(self, life: Life, status: int) -> None:
        if not os.WIFSTOPPED(status):
            life.status = status
            self._end(life)
        elif status >> 16 == trace.EVENT_EXIT:
            self._on_exit_stop(life)
        elif status >> 16 == trace.EVENT_STOP and os.WSTOPSIG(status) in trace.GROUP_STOPS:
            trace.stay_stopped(life.pid)
        else:
            trace.resume(life.pid, 0 if status >> 16 else os.WSTOPSIG(status))

    def _on_exit_stop(self, life: Life) -> None:
        """It computes no more: its seat is free once its other threads are gone, and its wipe is due."""
        assert life.windows is not None
        life.stop_ns = time.monotonic_ns()
        hear_last_word(life)
        try:
            trace.settle(life.windows)
            self._leave_seat(life)
            self._stopped.add(life)
        except (WipeError, OSError):
            self._let_go(life, Wipe.FAILED)

    def _is_wiped(self, life: Life) -> bool:
        """The heart of it: every own page zero, every one read back; then it may go. One step of that."""
        if self._lives.get(life.pid) is not life:  # it ended all the same: its windows are closed, and not its own now
            return True
        assert life.windows is not None
        try:
            life.wiping = life.wiping or self._wiper(life.windows)
            next(life.wiping)
        except StopIteration as end:
            life.wiped = end.value
            self._let_go(life, Wipe.VERIFIED)
        except (WipeError, OSError):
            self._let_go(life, Wipe.FAILED)
        else:
            return False
        return True

    def _let_go(self, life: Life, wiped: Wipe) -> None:
        life.wipe = wiped
        if wiped is Wipe.FAILED:
            log(Event.WIPE_FAILED)
        life.gone_ns = time.monotonic_ns()
        trace.resume(life.pid)

    def _end(self, life: Life) -> None:
        """The process is gone: close its windows, give back its seat, record it, tell the warden."""
        del self._lives[life.pid]
        if life.line.fileno() in self._selector.get_map():
            self._selector.unregister(life.line)
        life.line.close()
        self._close_listener(life)
        if life.windows:
            life.windows.close()
        self._leave_seat(life)
        self._voices.ended(life)
        outcome = outcome_of(life)
        if life.opened and life.wants:
            self._recorder.closed(life.wants, outcome, life.wipe, life.wiped, life.ended, life.refusals)
        self._fates.end(life, outcome)
        if not life.voice_of:
            self._tell_warden(life, outcome)
        self._tally.ended(life, outcome)

    def _leave_seat(self, life: Life) -> None:
        following = self._seats.leave(life.pid)
        if following is not None:
            self._seat(self._lives[following])
        self._tally.waits()

    def _tell_warden(self, life: Life, outcome: Outcome) -> None:
        exact = (life.wiped.wiped_bytes, life.wiped.verified_bytes, life.stop_ns, life.gone_ns)
        figures = exact if self._exact else (0, 0, 0, 0)
        with contextlib.suppress(OSError):  # the warden may have gone first
            self._births.send(pack(Gone(life.pid, outcome, life.wipe, *figures)))
