"""Take the text out of turns, and what could give it away: so that a transcript can be passed on.

Covered: text, `seed`, `options`, `key`, tool calls and every unknown fact of the chosen turns; a receipt in which the
seed stands; the key of every turn after them, whose request has the text in it, so that a guess could be checked.
Not covered: what other turns say of it; an answer at temperature 0, which can be computed again from what was asked;
the old bytes on the disk and in copies of the file.
"""

from __future__ import annotations

from collections.abc import Collection

from noghost.client.transcript.transcript import Transcript
from noghost.client.transcript.turn import Turn

MARK = "[redacted]"
KEPT = ("began", "ended", "instance", "model", "receipt")


def redact(transcript: Transcript, numbers: Collection[int]) -> None:
    """The turns of those numbers, counted from 1. Turns, roles and the facts that hold no content stay."""
    for number, turn in enumerate(transcript.turns, start=1):
        if number in numbers:
            _empty(turn)
        elif number > min(numbers):
            turn.facts.pop("key", None)
            turn.unread = ""


def drop_keys(transcript: Transcript) -> None:
    """Of all turns, whose texts stay: nobody can check a guess about one that was never in the file."""
    for turn in transcript.turns:
        turn.facts.pop("key", None)
        turn.unread = ""


def _empty(turn: Turn) -> None:
    turn.text, turn.unread = MARK, ""
    turn.facts = {name: value for name, value in turn.facts.items() if name in KEPT}
    if "\nseed -\n" not in str(turn.facts.get("receipt")):
        turn.facts.pop("receipt", None)
