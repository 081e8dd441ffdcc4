"""One line of a conversation: its turns, and the file in which they stand, if they are kept at all.

What stands in a file is never changed here: an edit, another seed or another system prompt begins a branch, which has a
file of its own beside the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from noghost.client.transcript import Transcript, TranscriptChanged, TranscriptError, TranscriptFile, Turn


@dataclass(slots=True)
class Branch:
    """The turns of one line; `kept` is how many of them stand in `file`. No turn is in the repr."""

    turns: list[Turn] = field(default_factory=list, repr=False)
    file: TranscriptFile | None = field(default=None, repr=False)
    kept: int = 0

    @property
    def path(self) -> Path | None:
        """Of the file."""
        return self.file.path if self.file else None

    @property
    def is_kept(self) -> bool:
        """All of it stands in the file."""
        return self.kept == len(self.turns)

    def questions(self) -> list[int]:
        """Where in `turns` the user's words are."""
        return [at for at, turn in enumerate(self.turns) if turn.role == "user"]

    def before(self, at: int) -> list[Turn]:
        """The turns that a question had before it; a line about the gap goes with its question."""
        while at > 1 and self.turns[at - 1].role == "system":
            at -= 1
        return self.turns[:at]

    def refresh(self) -> str:
        """Take what somebody else has written to the file meanwhile, for the file is the conversation; what to tell of
        that, or "". Raises TranscriptError for a file that is none any more."""
        if self.file is None or not self.is_kept:
            return ""
        if not self.file.path.exists():
            path, self.file, self.kept = self.file.path, None, 0
            return f"{path} is gone: it is written anew after the next answer"
        if not self.file.is_changed():
            return ""
        self.turns = self.file.read().turns
        self.kept = len(self.turns)
        return f"{self.file.path} was changed by somebody else: the conversation is what stands in it now"

    def save(self, base: Path, whole: Transcript) -> str:
        """Write what does not stand in the file yet, `base` where it has none; what to tell of that, or "".

        Where somebody else has changed the file during an answer, all of it goes to another one. Where it cannot be
        written, the turns stay in memory, and are tried again with the next.
        """
        path = self.path or base
        try:
            self._write(path, whole)
        except TranscriptError as error:
            if not isinstance(error, TranscriptChanged) and (self.file or not path.exists()):
                return f"{error.message}: the last turns are in memory alone, and are tried again with the next"
            self.file = None
            path = next(names(base))
            told = self.save(path, whole)
            return told or f"{error.message}: all of the conversation is in {path} now, and goes on there"
        return ""

    def _write(self, path: Path, whole: Transcript) -> None:
        if self.file is None:
            file = TranscriptFile(path)
            file.create(whole)
            self.file = file
        else:
            self.file.append(*self.turns[self.kept :])
        self.kept = len(self.turns)


def names(base: Path) -> Iterator[Path]:
    """notes-2.md, notes-3.md …: those that are free."""
    number = 2
    while True:
        path = base.with_stem(f"{base.stem}-{number}")
        if not path.exists():
            yield path
        number += 1
