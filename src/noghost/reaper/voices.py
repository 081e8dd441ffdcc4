"""Processes of voice for instances: asked of their parents, given an arena, ended with who asked. In the reaper.

Covered: a voice's process lives no longer than the instance that it is for, and is ended at once when that wants it; a
bound of how many there are; an arena whose zeros could not be seen is a failed wipe of who had it last.
Not covered: what the two say to one another.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from noghost.errors import WipeError
from noghost.log import Event, log
from noghost.messages import Answer, Bring, Brought, Hush, Message, Voice, Wipe, Wish, pack
from noghost.reaper.arenas import Arena, Zeroer, zero_arena
from noghost.reaper.lives import Life
from noghost.reaper.wipe import Wiped

MOST_OF_ONE = 64  # that one instance may have at once: it maps 128 MiB of their arenas then


class Voices:
    """`parents`: the sockets to them, by voice (messages.Voice); empty without --voice."""

    def __init__(self, parents: Sequence[socket.socket] = (), most: int = 0, zeroer: Zeroer | None = None) -> None:
        self.parents = list(parents)
        self._most = most
        self._zeroer = zeroer or zero_arena
        self._gone: set[int] = set()  # parents that have ended, by descriptor
        self._waiting: dict[int, deque[tuple[Life, Arena]]] = {one.fileno(): deque() for one in parents}
        self._living: dict[int, Life] = {}

    def take(self, life: Life, message: Wish | Hush) -> None:
        """What an instance wants, whose record is open."""
        match message:
            case Wish(voice=voice):
                self._bring(life, voice)
            case Hush(number=number, at_once=at_once):
                self._hush(life, number, at_once=at_once)

    def _bring(self, life: Life, voice: int) -> None:
        """Have one forked for this instance, which is told at once: what it says meanwhile waits in the arena."""
        answer = self._refusal(life, voice)
        if answer is not None:
            say(life, Brought(answer))
            return
        parent = self.parents[voice]
        try:
            number = arena_for(life)
        except OSError:  # short of descriptors or memory
            say(life, Brought(Answer.FULL))
            return
        arena = life.arenas[number]
        try:
            socket.send_fds(parent, [pack(Bring())], arena.descriptors, socket.MSG_DONTWAIT)
        except OSError:
            say(life, Brought(Answer.VOICELESS))
            return
        arena.take()
        self._waiting[parent.fileno()].append((life, arena))
        with suppress(OSError):
            socket.send_fds(life.line, [pack(Brought(Answer.YES, number))], arena.descriptors)

    def _refusal(self, life: Life, voice: int) -> Answer | None:
        if voice >= len(self.parents) or self.parents[voice].fileno() in self._gone:
            return Answer.VOICELESS
        waiting = sum(map(len, self._waiting.values()))
        used = sum(not arena.spare for arena in life.arenas)
        full = len(self._living) + waiting >= self._most or used >= MOST_OF_ONE
        return Answer.FULL if full else None

    def born(self, parent: socket.socket, life: Life) -> None:
        """The next one that this parent was asked for. One whose instance has ended meanwhile ends too."""
        wanted, arena = self._waiting[parent.fileno()].popleft()
        life.voice_of = wanted.pid
        life.is_mind = self.parents.index(parent) == Voice.MIND
        life.arenas.append(arena)
        arena.holders.add(life.pid)
        self._living[life.pid] = life
        if arena.left or wanted.pid not in arena.holders:
            kill(life.pid)

    def failed(self, parent: socket.socket) -> None:
        """The parent could not fork."""
        self._will_not_come(*self._waiting[parent.fileno()].popleft())

    def lost(self, parent: socket.socket) -> None:
        """The parent has ended: what it was asked for will not come, and the kernel ends its children."""
        log(Event.VOICE_GONE)
        self._gone.add(parent.fileno())
        while queue := self._waiting[parent.fileno()]:
            self._will_not_come(*queue.popleft())

    def _will_not_come(self, wanted: Life, arena: Arena) -> None:
        arena.tell_ended()
        self._leave(wanted, arena, arena.holders)

    def _hush(self, life: Life, number: int, *, at_once: bool) -> None:
        """Its instance is done with this arena. A voice that is not born yet will be ended at its birth."""
        if number >= len(life.arenas) or life.arenas[number].spare:
            return
        arena = life.arenas[number]
        arena.left = True
        for pid in arena.holders - {life.pid} if at_once else ():
            kill(pid)
        self._leave(life, arena, arena.holders)

    def ended(self, life: Life) -> None:
        """An instance, and all that was brought to it; or a voice, which its instance is told. The last one out of an
        arena has it wiped; when its instance alone still has it, and is done with it, it is emptied."""
        self._living.pop(life.pid, None)
        for arena in life.arenas:
            others = arena.holders - {life.pid}
            if life.voice_of:
                arena.tell_ended()
            else:
                for pid in others:
                    kill(pid)
            self._leave(life, arena, others)

    def _leave(self, life: Life, arena: Arena, others: set[int]) -> None:
        """What the instance's end wipes anew is counted then."""
        arena.holders = others
        is_needed = bool(others) and not (arena.left and others == {arena.owner})
        if is_needed or any(arena is awaited for queue in self._waiting.values() for _, awaited in queue):
            return
        try:
            if others:
                arena.empty(self._zeroer)
                return
            done = arena.wipe(self._zeroer)
            life.wiped = Wiped(
                life.wiped.wiped_bytes + done.wiped_bytes, life.wiped.verified_bytes + done.verified_bytes
            )
        except (WipeError, OSError):
            log(Event.WIPE_FAILED)
            life.wipe = Wipe.FAILED


def arena_for(life: Life) -> int:
    """The number of one that this instance alone has, with nothing in it. Raises OSError."""
    number = next((number for number, arena in enumerate(life.arenas) if arena.spare), len(life.arenas))
    if number == len(life.arenas):
        arena = Arena()
        arena.owner = life.pid
        arena.holders.add(life.pid)
        arena.spare = True
        life.arenas.append(arena)
    return number


def say(life: Life, message: Message) -> None:
    """One that has died does not listen."""
    with suppress(OSError):
        life.line.send(pack(message))


def kill(pid: int) -> None:
    """Its end is wiped and recorded as any other."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
