"""What a reaper is to do, and what its records state of the service. Made in the warden, before the reaper."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noghost.config import Limits
from noghost.reaper.arenas import Zeroer, zero_arena
from noghost.reaper.refusals import Tries
from noghost.reaper.wipe import Wiper, wipe_in_steps


@dataclass(frozen=True, slots=True)
class Stated:
    """What every "opened" entry of this service states about it. Digests are SHA-256 in hex."""

    weights: tuple[str, ...]  # of each model
    release: str
    build: str
    policy: str
    host: str
    processor: str
    context: str
    batch: str
    templates: tuple[str, ...] = ()  # of each template


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
    on_demand: tuple[int, ...] = ()  # of the models, those that are loaded by who needs them
    tries: Tries = ()  # what a load of one of these tries, and is refused
    voices: int = 0  # processes of voice at once
    wiper: Wiper = wipe_in_steps
    zeroer: Zeroer = zero_arena
