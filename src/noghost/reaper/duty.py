"""What a reaper is to do, and what its records state of the service. Made in the warden, before the reaper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `noghost ask` makes one and wipes nothing
    from pathlib import Path

    from noghost.reaper.arenas import Zeroer
    from noghost.reaper.refusals import Tries
    from noghost.reaper.wipe import Wiper


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
    queue: int  # instances that may wait for a seat
    most_refusals: int  # of one instance's system calls
    unverified: bool = False
    exact: bool = False  # exact figures to the warden: only where the warden is its own caller
    on_demand: tuple[int, ...] = ()  # of the models, those that are loaded by who needs them
    tries: Tries = ()  # what a load of one of these tries, and is refused
    voices: int = 0  # processes of voice at once
    wiper: Wiper | None = None  # None: the real one, here and below
    zeroer: Zeroer | None = None
