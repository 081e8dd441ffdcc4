"""What is not as the specification has it in a transcript that can be read: its facts, one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from noghost.client.transcript.facts import read_stamp
from noghost.client.transcript.message import ALIASES
from noghost.client.transcript.transcript import Transcript
from noghost.client.transcript.turn import Turn
from noghost.errors import LedgerError
from noghost.ledger.receipt import Receipt

MOST_SEED = (1 << 32) - 2


class Problem(NamedTuple):
    """Of which turn, counted from 1; where it begins; what is wrong. Nothing of the turn stands in it."""

    turn: int
    line: int
    reason: str


def problems(transcript: Transcript) -> Iterator[Problem]:
    """Every one, in the file's order. The transcript has just been parsed."""
    line = transcript.source.count("\n") + 1
    for number, turn in enumerate(transcript.turns, start=1):
        yield from (Problem(number, line, reason) for reason in of_turn(turn))
        line += turn.source.count("\n")


def of_turn(turn: Turn) -> Iterator[str]:
    """The reasons, of one turn."""
    if turn.unread:
        yield "its facts are no JSON object with each name once"
    for name, (is_right, rule) in RULES.items():
        if name in turn.facts and not is_right(turn.facts[name]):
            yield f"{name} is not {rule}"
    if "capsule" in turn.facts:
        yield "a capsule does not belong in a transcript"
    began, ended = turn.facts.get("began"), turn.facts.get("ended")
    if is_stamp(began) and is_stamp(ended) and read_stamp(ended) < read_stamp(began):
        yield "it ended before it began"
    further = turn.facts.get("message")
    if isinstance(further, dict) and ALIASES.get(str(further.get("role")), turn.role) != turn.role:
        yield "message has the role of another"


def is_stamp(value: object) -> bool:
    """A time as `stamp` writes it."""
    try:
        read_stamp(value)
    except ValueError:
        return False
    return True


def is_receipt(value: object) -> bool:
    """A receipt's text, well-formed; whether it holds is another question (`noghost receipts verify`)."""
    try:
        return isinstance(value, str) and bool(Receipt.parse(value))
    except LedgerError:
        return False


def _hex(digits: int) -> Callable[[Any], bool]:
    pattern = re.compile(rf"[0-9a-f]{{{digits}}}")
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "began": (is_stamp, "a time in UTC with milliseconds"),
    "ended": (is_stamp, "a time in UTC with milliseconds"),
    "instance": (_hex(32), "32 lower-case hexadecimal digits"),
    "model": (lambda value: isinstance(value, str), "a text"),
    "seed": (lambda value: type(value) is int and 0 <= value <= MOST_SEED, f"a number from 0 to {MOST_SEED}"),
    "options": (lambda value: isinstance(value, dict), "an object"),
    "key": (_hex(64), "64 lower-case hexadecimal digits"),
    "receipt": (is_receipt, "a receipt's text"),
    "message": (lambda value: isinstance(value, dict) and "content" not in value, "an object without content"),
}
