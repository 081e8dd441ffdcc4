"""The life of an instance: gate, equip, confine, reseed, serve, exit. In the instance, from fork to end.

Covered: an exception, whatever it is, ends the process without a word of it being printed; there is one way out
(exit.py), and no handler or finaliser inherited from the warden runs.
Not covered: what `serve` does with the request; what the reaper does after the exit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from noghost.config import Limits
from noghost.errors import HostError
from noghost.instance.exit import leave
from noghost.instance.identity import Identity, reseed
from noghost.instance.line import Line
from noghost.instance.memory import keep_python_arenas
from noghost.instance.newborn import Newborn
from noghost.instance.sandbox import Bounds, Fences, allow_tracer, confine
from noghost.messages import Outcome
from noghost.title import take_title


@dataclass(frozen=True, slots=True)
class Instance:
    """What `serve` gets: a confined process with its own name."""

    newborn: Newborn
    line: Line
    identity: Identity


Serve = Callable[[Instance], Outcome]


@dataclass(frozen=True, slots=True)
class Equipped:
    """What an instance is going to do, with everything opened that it needs for that."""

    serve: Serve
    keep: tuple[int, ...]  # descriptors that stay open


Equip = Callable[[Newborn], Equipped]


def live(
    newborn: Newborn, equip: Equip, *, limits: Limits, silent: bool, fences: Fences, title: str = "noghost: instance"
) -> NoReturn:
    """From the fork to the exit; the last word over the line is the outcome."""
    outcome = Outcome.CRASHED
    line = Line(newborn.line)
    sys.unraisablehook = say_nothing
    try:
        take_title(title)
        keep_python_arenas()
        allow_tracer(newborn.reaper_pid)
        line.wait_at_gate()
        newborn.timeline.reach("gate")
        equipped = equip(newborn)
        confine(bounds_of(newborn, line, equipped.keep, limits=limits, silent=silent, fences=fences))
        newborn.timeline.reach("confine")
        outcome = equipped.serve(Instance(newborn, line, reseed()))
    except HostError as error:  # speaks of the host alone
        if not silent:
            sys.stderr.write(f"noghost: {error}\n")
        outcome = Outcome.CRASHED
    except BaseException:  # noqa: BLE001  the message of an error may hold content: it dies with the process
        outcome = Outcome.CRASHED
    finally:
        part(line, outcome)


def part(line: Line, outcome: Outcome) -> NoReturn:
    """Say how this life ends, unless that was said already; then end it."""
    try:
        line.last_word(outcome)
    finally:
        leave()


def say_nothing(_unraisable: object) -> None:
    """What a finaliser raises, CPython would print: such as that of an event loop that was never whole."""


def bounds_of(
    newborn: Newborn, line: Line, keep: tuple[int, ...], *, limits: Limits, silent: bool, fences: Fences
) -> Bounds:
    """The descriptors of this invocation, and its limits."""
    own = [newborn.line.fileno(), *keep]
    if newborn.connection is not None:
        own.append(newborn.connection.fileno())
    return Bounds(
        tuple(own),
        silent,
        newborn.warden_pid,
        limits.invocation_s,
        limits.memory_bytes,
        fences,
        line.hand_over,
    )
