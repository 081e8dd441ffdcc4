"""A transcript in memory: its head and its turns. Pure; `file.py` keeps one on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from noghost.client.transcript import head, lines, message
from noghost.client.transcript.head import Head
from noghost.client.transcript.turn import Turn


@dataclass(slots=True)
class Transcript:
    """`title` is "Conversation" or "Voice Conversation". A `started` with a zone is told by this machine's clock.

    `newline` ends the lines of the file: a text always has line feeds, whatever the file has.
    """

    title: str
    model: str
    started: datetime
    turns: list[Turn] = field(default_factory=list)
    newline: str = field(default="\n", repr=False, compare=False)
    source: str = field(default="", repr=False, compare=False, init=False)

    def __post_init__(self) -> None:
        local = self.started.astimezone() if self.started.tzinfo else self.started
        self.started = local.replace(tzinfo=None, microsecond=0)

    @classmethod
    def parse(cls, text: str) -> Transcript:
        """Raises TranscriptError with the line and the reason for what is no transcript."""
        newline = lines.newline_of(text)
        pieces = lines.split(text)
        bare = lines.bare(pieces, newline)
        read, end = head.read(bare)
        starts = _starts(bare, end)
        transcript = cls(read.title, read.model, read.started, newline=newline)
        transcript.source = "".join(pieces[: starts[0]])
        for start, after in pairwise(starts):
            transcript.turns.append(Turn.read("".join(pieces[start:after]), newline))
        return transcript

    def render(self) -> str:
        """The file's text: what was read, but for what has changed since. Raises TranscriptError."""
        text = self._head()
        for turn in self.turns:
            written = turn.render(self.newline)
            if written != turn.source or not text.endswith("\n"):
                text += _to_blank_line(text, self.newline)
            text += written
        return text

    def append(self, role: str, text: str, facts: dict[str, Any] | None = None) -> Turn:
        """One turn more, at the end."""
        self.turns.append(Turn(role, text, dict(facts or {})))
        return self.turns[-1]

    def messages(self) -> list[dict[str, Any]]:
        """The turns as the API's messages."""
        return [message.of_turn(turn) for turn in self.turns]

    @classmethod
    def from_messages(
        cls, messages: Iterable[Mapping[str, Any]], *, model: str, kind: str = "Conversation"
    ) -> Transcript:
        """The inverse of `messages`, started now. Raises TranscriptError for what a transcript cannot hold."""
        turns = [message.to_turn(given, number) for number, given in enumerate(messages, start=1)]
        return cls(kind, model, datetime.now().astimezone(), turns)

    def _head(self) -> str:
        """As it was read, if it still is what was read."""
        now = Head(self.title, self.model, self.started)
        if self.source and head.read(lines.bare(lines.split(self.source), self.newline))[0] == now:
            return self.source
        return head.write(now).replace("\n", self.newline)


def _starts(bare: list[str], end: int) -> list[int]:
    """Where each turn begins, and where the file ends. `end`: the `---` of the head."""
    cuts = lines.cuts(bare)
    if not cuts or cuts[0][0] != end:
        after = lines.next_line(bare, end + 1)
        roles = ", ".join(f"`**{role.upper()}:**`" for role in lines.ROLES)
        raise head.fault(after + 1, "no turn begins here", f"each begins with a line of its own: {roles}")
    starts = [after for _, after in cuts]
    if starts[-1] != len(bare):
        raise head.fault(starts[-1] + 1, "the turn that begins here is not closed", "if it is whole, end it with `---`")
    return starts


def _to_blank_line(text: str, newline: str) -> str:
    """What is missing until a new paragraph begins."""
    if text.endswith("\n"):
        return "" if text.endswith(newline * 2) else newline
    return newline * 2
