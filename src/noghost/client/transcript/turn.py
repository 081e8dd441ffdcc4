"""One turn: who speaks, the text, what is known of it; and the bytes that it was read from, which stand as long as the
turn is what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from noghost.client.transcript import facts as comment
from noghost.client.transcript.lines import FACTS, ROLE, ROLES, bare, escape, is_blank, split, unescape
from noghost.errors import TranscriptError


@dataclass(slots=True)
class Turn:
    """`role` is one of ROLES, `text` any text, `facts` a JSON object.

    `unread` is the text of a comment that is no such object: it is kept until the turn has facts.
    """

    role: str
    text: str = field(repr=False)
    facts: dict[str, Any] = field(default_factory=dict, repr=False)
    unread: str = field(default="", repr=False)
    source: str = field(default="", repr=False, compare=False, init=False)

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise TranscriptError("cannot make a turn of that role", f"the roles are {', '.join(ROLES)}")

    @classmethod
    def read(cls, source: str, newline: str = "\n") -> Turn:
        """From its role's line to the `---` that closes it, and the blank lines after that."""
        first, *rest = bare(split(source), newline)
        role = ROLE.fullmatch(first)
        assert role is not None, "whoever splits a file begins a turn at such a line"
        body, known = _without_facts(_trimmed(rest)[:-1])
        turn = cls(role[1].lower(), unescape("\n".join(_inner(body))))
        if known is not None:
            read = comment.read(known)
            turn.facts, turn.unread = (read, "") if read is not None else ({}, known)
        turn.source = source
        return turn

    def render(self, newline: str = "\n") -> str:
        """As it stands in a file: as it was read, if it still is what was read. Raises TranscriptError."""
        if self.source and Turn.read(self.source, newline) == self:
            return self.source
        known = comment.write(self.facts) if self.facts else comment.line(self.unread) if self.unread else ""
        parts = [f"**{self.role.upper()}:**", escape(self.text), *([known] if known else []), "---", ""]
        return "\n\n".join(parts).replace("\n", newline)


def _trimmed(lines: Sequence[str]) -> Sequence[str]:
    """Without the blank lines at the end."""
    end = len(lines)
    while end and is_blank(lines[end - 1]):
        end -= 1
    return lines[:end]


def _without_facts(lines: Sequence[str]) -> tuple[Sequence[str], str | None]:
    """What stands before the comment, and the comment's text; or all, and None."""
    body = _trimmed(lines)
    found = FACTS.fullmatch(body[-1]) if body else None
    return (lines, None) if found is None else (body[:-1], found[1].strip())


def _inner(lines: Sequence[str]) -> Sequence[str]:
    """Without one blank line before and one after."""
    if lines and is_blank(lines[0]):
        lines = lines[1:]
    return lines[:-1] if lines and is_blank(lines[-1]) else lines
