"""On what terms an answer is repeated, and what differs between then and now.

Two entries of a ledger are compared: that of the receipt, and that of the repeat.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from noghost import __version__
from noghost.host import build_digest, processor
from noghost.ledger.entry import Opened

# The fields of an entry that decide about the bytes of an answer, with why. A template is none: with it and without it
# the bytes are the same (engine/batches.py), so a repeat computes all of the prompt.
DECIDES = {
    "weights": "another model",
    "release": "another release of noghost",
    "build": "another build of the engine, of Python or of the C library",
    "processor": "a processor with other features: the engine computes with other instructions",
    "context": "another size of the context, which can end an answer",
    "batch": "another rule for cutting the prompt into batches",
    "threads": "another number of threads",
}
DATED = b"strftime_now"  # what chat templates call for today's date
METADATA_BYTES = 1 << 26  # of a GGUF, in which the chat template stands


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was."""

    name: str
    then: str
    now: str
    meaning: str


def as_here(then: Opened, weights: str) -> Opened:
    """The entry that this machine would write for the same request, as far as it is known before it is asked."""
    return replace(then, weights=weights, release=__version__, build=build_digest(), processor=processor())


def differences(then: Opened, now: Opened) -> tuple[Difference, ...]:
    """Every field that decides and differs."""
    pairs = ((name, getattr(then, name), getattr(now, name), meaning) for name, meaning in DECIDES.items())
    return tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2])


def another_day(then: Opened, weights: Path) -> tuple[Difference, ...]:
    """A chat template that writes the date into the prompt does not write the same tomorrow."""
    today, that_day = datetime.now(UTC).strftime("%Y-%m-%d"), then.minute[:10]
    if today == that_day or not is_dated(weights):
        return ()
    return (Difference("day", that_day, today, "the model's chat template writes the date into the prompt"),)


def is_dated(weights: Path) -> bool:
    """Whether a GGUF's chat template asks for the date."""
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(DATED, 0, METADATA_BYTES) >= 0
