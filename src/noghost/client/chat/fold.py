"""Turns whose surroundings change: for a model whose template takes a system message at the beginning alone, or under
another system prompt. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from noghost.client.conversation import RefusedError
from noghost.client.transcript import Turn

UNTIED = ("began", "ended", "model", "message")  # what of a turn does not hang on those before it


def refuses_order(error: RefusedError) -> bool:
    """The model's template takes no system message there: engine/chat.py words it."""
    return error.status == 400 and "chat template refused" in error.words


def tells_between(turns: Sequence[Turn]) -> bool:
    """Whether a system message stands in the middle."""
    return any(turn.role == "system" for turn in turns[1:])


def folded(turns: Sequence[Turn]) -> list[Turn]:
    """System messages in the middle as the beginning of the turn that followed them."""
    first = next((at for at, turn in enumerate(turns) if at and turn.role == "system"), len(turns))
    found, lines = list(turns[:first]), list[str]()
    for turn in turns[first:]:
        if turn.role == "system":
            lines.append(turn.text)
        else:
            plain = unproved(turn)
            found.append(Turn(plain.role, "\n\n".join([*lines, plain.text]), plain.facts))
            lines = []
    return found


def unproved(turn: Turn) -> Turn:
    """A turn before which other words stand now: its receipt is of the old ones."""
    return Turn(turn.role, turn.text, {name: turn.facts[name] for name in UNTIED if name in turn.facts})
