"""The log: a closed list of events with numbers, on stderr. No text of a request can reach it.

Covered: an event is a member of `Event`, its fields are integers. Not covered: what the terminal or a supervisor
does with stderr.
"""

from __future__ import annotations

import contextlib
import sys
from enum import Enum


class Event(Enum):
    """Everything that noghost ever logs."""

    LEDGER_FAILED = "the ledger cannot be written; nothing is computed until it can"
    WIPE_FAILED = "a page of an ended instance could not be zeroed or verified; its receipt says so"
    LOST = "invocations of an earlier run whose end nobody saw; each has a 'lost' entry now"
    NOT_TRACED = "an instance could not be traced and was turned away at the gate"
    REAPER_GONE = "the reaper has ended; its instances were killed with it; stopping"
    CONNECTOR_GONE = "the connector has ended or takes no more; remote models cannot be reached"
    VOICE_GONE = "the parent of a voice has ended; nothing is heard or spoken until the service starts again"
    REFUSED = "an instance tried a system call that it is refused; its receipt counts how often"
    OUT_OF_TURN = "a message came out of turn; the invocation was ended"
    TEMPLATE_REFUSED = "a template's state at rest was damaged or foreign; it is computed again"
    KEYS_READ = "the file of API keys has changed and was read again"
    SERVICE_FAILED = "the service behind the door has ended with an error; who knocks waits until one starts again"
    EXPORT_FAILED = "the metrics could not be given to the collector; it is tried again, and said again once it worked"
    KEYS_UNREADABLE = "the file of API keys cannot be read; nobody is let in until it can"


def log(event: Event, **numbers: int) -> None:
    """Write one line: time is the supervisor's affair. Raises TypeError, without a word of it, for anything else."""
    if not isinstance(event, Event) or not all(isinstance(value, int) for value in numbers.values()):
        raise TypeError("the log takes an event and whole numbers")
    fields = "".join(f" {name}={int(value)}" for name, value in numbers.items())
    with contextlib.suppress(OSError):  # a full disk under stderr must not end the reaper
        print(f"noghost: {event.name.lower()}:{fields} {event.value}", file=sys.stderr, flush=True)
