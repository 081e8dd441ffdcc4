"""The warden: accept, fork, forget. In the warden, for as long as the service runs.

Covered: one connection, one process, once there is a byte to read (lobby.py) and room for it (living.py); the warden
never reads a byte of an accepted socket, and wakes up only for a knock, an end, a signal, or the end of somebody's
time: never when nobody is there.
Not covered: what the kernel queues for a connection before an instance reads it.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import select
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

from noghost import metrics
from noghost.config import Limits
from noghost.errors import HOW_TO_TRACE, HostError
from noghost.log import Event, log
from noghost.messages import MAX_BYTES, Gone, Heard, Wipe, unpack
from noghost.metrics import Counts
from noghost.warden.births import Nursery, bear
from noghost.warden.door import Door
from noghost.warden.ear import Ear
from noghost.warden.hatch import Hatch
from noghost.warden.holders import Holders
from noghost.warden.living import Alive, Living
from noghost.warden.lobby import Guest, Lobby, Said, said
from noghost.warden.minds import Minds
from noghost.warden.origin import whence_of

GRACE_S = 10.0  # for running invocations, after the first SIGTERM or SIGINT
SHORT_S = 0.1  # between two tries while the host is short of descriptors or memory
AT_A_TIME = 64  # accepted, before others have their turn
BUSY_RESERVE = 16  # instances above the limit, which answer 503
SHORT_OF_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
SHORT_OF = SHORT_OF_DESCRIPTORS | {errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN}


class Warden:
    """One per service."""

    def __init__(
        self,
        door: Door,
        nursery: Nursery,
        limits: Limits,
        *,
        counts: Counts,
        hatch: Hatch | None,
        cores: int,
        computing: Callable[[], int],
        idle_exit_s: float = 0,
        minds: Minds | None = None,
        rehearse: Callable[[], object] = lambda: None,
        at_leisure: Callable[[], None] = lambda: None,
    ) -> None:
        self._door = door
        self._nursery = nursery
        self._limits = limits
        self._counts = counts
        self._hatch = hatch
        self._minds = minds
        self._computing = computing
        self._poll = select.epoll()
        self._lobby = Lobby(self._poll, most=limits.silent, patience_s=limits.request_s)
        self._living = Living(cores=cores, deadline_s=limits.invocation_s, talk_s=limits.longest_s, computing=computing)
        self._holders = Holders()
        self._ear = Ear(door.listener)
        self._stopping = False
        self._short_s: float | None = None  # until then the host is taken to be short of something
        self._end_s: float | None = None  # when those that still run are killed
        self._idle_exit_s = idle_exit_s  # 0: never
        self._stirred_s = 0.0  # when something happened last
        self._rehearse: Callable[[], object] | None = rehearse  # what every instance but the first is spared, once
        self._has_born = False
        self._at_leisure: Callable[[], None] | None = at_leisure  # what can wait until nobody is here, once

    def rehearse_unless_asked(self) -> None:
        """Before it says that it listens, unless somebody waits at the door already: then that one goes first."""
        waiting = select.poll()
        waiting.register(self._door.listener, select.POLLIN)
        if not waiting.poll(0):
            self._go_through()

    def run(self) -> None:
        """Until a signal asks to stop and every instance has ended, or nobody was here for `idle_exit_s`; raises
        HostError when the reaper is gone."""
        self._hang_bell()
        self._poll.register(self._nursery.births, select.EPOLLIN)
        self._poll.register(self._bell, select.EPOLLIN)
        if self._minds:
            self._poll.register(self._minds.asked, select.EPOLLIN)
        self._mind_the_door()
        self._stirred_s = time.monotonic()
        while not self._stopping or self._living:
            for descriptor, events in self._poll.poll(self._patience_s()):
                self._stirred_s = time.monotonic()
                self._on_event(descriptor, events)
            self._dismiss_overdue()
            self._bear_waiting()
            self._mind_the_door()
            self._take_leisure()

    def _take_leisure(self) -> None:
        """Once, as soon as nobody is here: before the first knock, or after the first answer where somebody waits."""
        if self._at_leisure and self._is_alone and not self._stopping:
            self._go_through()
            self._at_leisure()
            self._at_leisure = None

    def _go_through(self) -> None:
        """Once: all that instances do again and again, so that they find it done. An instance that lives meanwhile has
        the pages for itself that this writes to, about 10 MB more to wipe."""
        rehearse, self._rehearse = self._rehearse, None
        if rehearse:
            with contextlib.suppress(OSError):  # of descriptors, most likely: who comes then is slower, no more
                rehearse()
            gc.collect()  # of what is new alone: the rest is frozen
            gc.freeze()

    @property
    def _is_alone(self) -> bool:
        """Nobody waits, and no instance lives: what the warden gives back now, none has a share in."""
        return not (self._lobby or self._living or (self._hatch and self._hatch.busy))

    def _hang_bell(self) -> None:
        """A socket that becomes readable on SIGTERM and SIGINT. SIGCHLD is ignored: the kernel reaps."""
        self._bell, self._bell_end = socket.socketpair()
        for end in (self._bell, self._bell_end):
            end.setblocking(False)
        signal.set_wakeup_fd(self._bell_end.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """The first asks to stop, the second ends what still runs."""
        if self._stopping:
            self._living.kill_all()
        self._stopping = True

    def _on_event(self, descriptor: int, events: int) -> None:
        if descriptor == self._nursery.births.fileno():
            self._on_word(self._nursery.births)
        elif descriptor == self._bell.fileno():
            self._on_bell()
        elif self._ear.hears(descriptor):
            self._on_knock()
        elif self._hatch and self._hatch.hears(descriptor):
            self._on_scrape(self._hatch)
        elif self._minds and self._minds.hears(descriptor):
            self._go_through()
            self._minds.on_word()
        else:
            self._lobby.on_event(descriptor, events)

    def _on_bell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(4096)
        if self._stopping and self._end_s is None:
            self._end_s = time.monotonic() + GRACE_S
            self._leave_the_door()

    # --- the door -----------------------------------------------------------------------------------------

    def _mind_the_door(self) -> None:
        """Listen, unless the service stops, the lobby is full, or the host is short of something."""
        wanted = not self._stopping and not self._lobby.packed and self._short_s is None
        self._ear.mind(self._poll, wanted=wanted)
        if self._hatch:
            self._hatch.mind(self._poll, wanted=not self._stopping and self._short_s is None)

    def _leave_the_door(self) -> None:
        """Let nobody in any more."""
        self._mind_the_door()
        self._door.listener.close()
        self._lobby.close()
        if self._hatch:
            self._hatch.listener.close()
            self._hatch = None

    def _on_knock(self) -> None:
        """Let in who waits outside, some at a time."""
        for _ in range(AT_A_TIME):
            try:
                connection, address = self._door.listener.accept()
                self._lobby.admit(connection, partial(whence_of, connection, address, self._door.peers))
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as short:
                self._be_short(short)
                return

    def _on_scrape(self, hatch: Hatch) -> None:
        """Note what the warden alone knows, beside what the reaper has counted; an instance tells it."""
        for family, number in (
            (metrics.SEATS_TAKEN, self._computing()),
            (metrics.INSTANCES, len(self._living)),
            (metrics.GUESTS, len(self._lobby)),
        ):
            self._counts.set(family, number)
        self._counts.note()
        try:
            hatch.on_knock()
        except OSError as short:
            self._be_short(short)

    def _be_short(self, short: OSError) -> None:
        """Of descriptors: dismiss one that says nothing. Of anything else, or where all speak: try again soon."""
        if short.errno not in SHORT_OF:
            raise short
        if short.errno not in SHORT_OF_DESCRIPTORS or not self._lobby.dismiss_silent():
            self._short_s = time.monotonic() + SHORT_S

    # --- births -------------------------------------------------------------------------------------------

    def _bear_waiting(self) -> None:
        """An instance for each guest that has spoken, in their order, as far as there is room."""
        self._living.forget_looks(time.monotonic())
        self._tell_apart()
        while self._short_s is None and (guest := self._lobby.first(self._living.served, self._living.idle)):
            said_bytes = guest.said_bytes()
            likely = said(said_bytes) is Said.MUCH and not self._living.storms(guest.origin)
            preferred = likely or not self._living.crowd(guest.origin)
            if not self._make_room(said(said_bytes), preferred):
                return
            if self._has_born:
                self._go_through()
            self._bear(guest, said_bytes, likely=likely)

    def _tell_apart(self) -> None:
        """Find out which process of a user they are who wait, where one of that user computed nothing lately."""
        guests = self._lobby.unnamed(self._living.idled)
        ends = self._holders.name([guest.end for guest in guests if guest.end]) if guests else {}
        for guest in guests:
            if guest.end in ends:
                guest.origin, guest.end = guest.origin + ends[guest.end], None

    def _make_room(self, spoken: Said, preferred: bool) -> bool:
        """Whether it can be born now; one that may be whole can end another that is not."""
        now_s = time.monotonic()
        if len(self._living) >= self._limits.instances + BUSY_RESERVE:
            return False
        if not self._living.has_room(now_s, preferred=preferred):
            return False
        if self._living.unheard < self._limits.unheard:
            return True
        return spoken is not Said.LITTLE and self._living.oust(now_s)

    def _bear(self, guest: Guest, said_bytes: int, *, likely: bool) -> None:
        """Above the limit it is one that asks its caller to come back later."""
        busy = len(self._living) >= self._limits.instances
        connection = self._lobby.take(guest)
        try:
            pid = bear(connection, self._nursery, knock_ns=guest.knock_ns, busy=busy)
        except OSError as short:
            connection.close()
            self._be_short(short)
            return
        if busy:
            self._counts.add(metrics.TURNED_AWAY, "busy")
        self._has_born = True
        self._living.born(Alive(pid, guest.origin, time.monotonic(), likely, said_bytes))

    # --- ends ---------------------------------------------------------------------------------------------

    def _on_word(self, births: socket.socket) -> None:
        data = word_of(births)
        if not data:
            log(Event.REAPER_GONE)
            self._living.kill_all()
            raise HostError("the reaper has ended", "see what ended it (out of memory, kill), and start again")
        match unpack(data, Gone, Heard):
            case Heard(pid=pid, talks=talks):
                self._living.heard(pid, talks=talks)
            case Gone(pid=pid):
                self._living.gone(pid)
                if self._hatch:
                    self._hatch.gone(pid)

    def _patience_s(self) -> float | None:
        """How long to sleep: for ever when nobody waits and nobody lives."""
        now_s = time.monotonic()
        if self._at_leisure and self._is_alone:
            return 0.0
        room_s = self._living.room_s(now_s) if self._lobby.waits else None
        times = (self._lobby.due_s(), self._living.due_s(), room_s, self._short_s, self._end_s, self._idle_due_s())
        next_s = min((at_s for at_s in times if at_s is not None), default=None)
        return None if next_s is None else max(0.0, next_s - now_s)

    def _idle_due_s(self) -> float | None:
        """When nobody will have been here for so long that the service ends; None where it does not."""
        if not self._idle_exit_s or self._stopping or self._lobby or self._living:
            return None
        return self._stirred_s + self._idle_exit_s

    def _dismiss_overdue(self) -> None:
        now_s = time.monotonic()
        if (idle_s := self._idle_due_s()) is not None and now_s >= idle_s:
            self._stopping = True  # who knocks from now on is for the next service, at the same socket
            self._leave_the_door()
        if self._short_s is not None and now_s >= self._short_s:
            self._short_s = None
        self._lobby.dismiss_overdue(now_s)
        self._living.kill_overdue(now_s)
        if self._end_s is not None and now_s >= self._end_s:
            self._living.kill_all()
            self._end_s = now_s + GRACE_S


def bear_probe(nursery: Nursery) -> Callable[[], Gone]:
    """At start: bear one instance that does nothing and ends, to be traced, wiped and verified while the warden loads.

    Returns what waits until it was, and raises HostError with the way out when this host cannot do it.
    """
    bear(None, nursery)
    return partial(probed, nursery.births)


def word_of(births: socket.socket) -> bytes:
    """A word of the reaper's; empty when it is gone."""
    with contextlib.suppress(ConnectionResetError):  # it died with births unread
        return births.recv(MAX_BYTES)
    return b""


def probed(births: socket.socket) -> Gone:
    """What became of the probe. Raises HostError."""
    data = word_of(births)
    if not data:
        raise HostError("the reaper ended while the service started", "see its message above")
    gone = unpack(data, Gone)
    if gone.wipe == Wipe.UNSEEN:
        raise HostError("the reaper cannot trace an instance on this host", HOW_TO_TRACE)
    if gone.wipe == Wipe.FAILED:
        raise HostError("the reaper cannot zero an instance's memory on this host", HOW_TO_WRITE)
    return gone


HOW_TO_WRITE = (
    "allow a tracer to write /proc/PID/mem (boot without proc_mem.force_override=never), or start with --unverified: "
    "every receipt will then say so"
)
