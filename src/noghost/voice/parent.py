"""The parent of single-use voices: libraries and weights loaded, never sound or text. A program of its own, started by
the service.

It is to its children what the warden is to instances: it forks one when the reaper asks, and hands over what came with
that; the child is born through the same gate, traced by the same reaper, confined in the same steps. `main` never
returns to a child.

Covered: the parent has one thread at every fork; it is told nothing but "one more". Its environment is a short list
(start.py), so that no variable makes a library write.
Not covered: what the libraries do while they load, before the first sound; the network is out of reach by then.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from noghost.errors import HostError, NoghostError
from noghost.instance.fitness import make_fences
from noghost.instance.life import Equipped, Instance, live
from noghost.instance.memory import keep_one_arena
from noghost.instance.newborn import Newborn
from noghost.instance.sandbox import Fences
from noghost.messages import Outcome
from noghost.reaper.spawn import OUTLIVED
from noghost.speech.ends import VoiceEnd
from noghost.speech.frames import Fault, Kind
from noghost.title import take_title
from noghost.voice.plan import READY, Plan
from noghost.warden.births import bear_for
from noghost.warden.process import settle_memory

Work = Callable[[VoiceEnd], None]  # all that one child does
Load = Callable[[Plan], Work]  # in the parent; raises NoghostError


@dataclass(frozen=True, slots=True)
class Names:
    """As ps shows them."""

    parent: str
    child: str


def main(names: Names, load: Load) -> None:
    """The whole program."""
    plan = Plan.parse(sys.argv[1])
    take_title(names.parent)
    for number in OUTLIVED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; who has ended, the reaper knows
    gc.disable()
    keep_one_arena()
    try:
        work = load(plan)
        fences = make_fences(plan.without, voice=True)
        check_alone()
    except NoghostError as error:
        os.write(plan.ready, str(error).encode())
        sys.exit(1)
    settle_memory()
    os.write(plan.ready, READY)
    os.close(plan.ready)
    serve_births(socket.socket(fileno=plan.births), Lives(names, plan, work, fences))


def check_alone() -> None:
    """A second thread would be missing in every child, with the locks that it holds."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise HostError(f"the parent of a voice has {threads} threads and cannot fork")


@dataclass(frozen=True, slots=True)
class Lives:
    """How a child lives."""

    names: Names
    plan: Plan
    work: Work
    fences: Fences

    def live(self, newborn: Newborn, arena: list[int]) -> NoReturn:
        """In the child."""
        limits = self.plan.limits
        live(
            newborn,
            lambda _: self._equip(arena),
            limits=replace(limits, invocation_s=limits.longest_s),  # an ear waits for a word; it ends with who asked
            silent=True,
            fences=self.fences,
            title=self.names.child,
        )

    def _equip(self, arena: list[int]) -> Equipped:
        end = VoiceEnd(arena[0], arena[1], arena[2])
        return Equipped(lambda instance: self._serve(instance, end), (end.hears, end.rings))

    def _serve(self, instance: Instance, end: VoiceEnd) -> Outcome:
        """Record first, then hear or speak. What goes wrong is told as no more than that."""
        instance.line.open(instance.identity.invocation, self.plan.model, None)
        try:
            self.work(end)
        except Exception:  # noqa: BLE001  its message may hold content: it dies with the process
            end.give(Kind.FAULT, bytes([Fault.FAILED]))
            return Outcome.CRASHED
        return Outcome.ANSWERED


def serve_births(asked: socket.socket, lives: Lives) -> None:
    """Until the reaper is gone, who ends last."""
    while bear_for(asked, lives.plan.reaper_pid, lives.live):
        pass
