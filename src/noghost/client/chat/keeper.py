"""What a person keeps of a conversation, written or spoken: its turns, a file if one is wanted, the gaps between turns.

Knows no service and no terminal.

Covered: nothing is in a file unless a path was given; no turn is in a repr or an error.
Not covered: this process's memory while it lives, and swap.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from noghost.client.chat import gap
from noghost.client.chat.branch import Branch, names
from noghost.client.chat.branches import Branches
from noghost.client.transcript import Transcript, TranscriptFile, Turn
from noghost.errors import ConfigError

DEFAULT = "default"


def now() -> datetime:
    """With its zone."""
    return datetime.now(UTC)


class Keeper(Branches):
    """`title` is of a new file; `tells_gap`: a new instance is told how long there was nothing. Raises TranscriptError
    for a file that is none, ConfigError for one that cannot be begun."""

    def __init__(
        self,
        title: str,
        path: Path | None = None,
        *,
        system: str = "",
        tells_gap: bool = True,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """A file that is there is gone on with."""
        self.path = path
        super().__init__(Branch([Turn("system", system)] if system else []))
        self.file_model = ""  # as the file's title names it
        self._title = title
        self._tells_gap = tells_gap
        self._clock = clock
        self.began = self._started = clock()
        if path is not None:
            self._open(path, system)

    def _open(self, path: Path, system: str) -> None:
        if not path.exists():
            if not path.absolute().parent.is_dir():
                raise ConfigError(f"there is no folder for {path}", "make it, or name another file")
            return
        if system:
            raise ConfigError(f"--system, and {path} has begun already", "leave it out; a new file can begin with it")
        file = TranscriptFile(path)
        transcript = file.read()
        turns = transcript.turns
        self.branches = [Branch(turns, file, len(turns))]
        self.file_model, self._started = transcript.model, transcript.started

    @property
    def system(self) -> str:
        """What the model is told first."""
        return self.turns[0].text if self.turns and self.turns[0].role == "system" else ""

    def now(self) -> datetime:
        """By this conversation's clock."""
        return self._clock()

    # --- the model ------------------------------------------------------------------------------------------------

    def chosen_of(self, there: list[str]) -> tuple[str, tuple[str, str] | None]:
        """The model of the file, where it is one of these, else the first, the service's own default; and what to tell
        where the file's is not there, with a hint."""
        model = self.file_model if self.file_model in there else there[0]
        if self.file_model in ("", DEFAULT, model):
            return model, None
        return model, (
            f"{self.path} is of the model {self.file_model}, which this service has not; {model} is asked",
            f"it has: {', '.join(there)}",
        )

    # --- the gap --------------------------------------------------------------------------------------------------

    def ended(self) -> datetime | None:
        """When the last turn ended, as far as that is known."""
        return gap.ended_at(turn.facts for turn in self.turns)

    def gap(self) -> str:
        """For the person: how long there has been nothing; "" where that is not known."""
        ended = self.ended()
        return gap.shown(ended, self._clock()) if ended else ""

    def is_resumed(self) -> bool:
        """The last turn is of an earlier session."""
        ended = self.ended()
        return ended is not None and ended < self.began

    def is_long(self) -> bool:
        """The last turn is of this session, and the silence since then is worth a line."""
        ended = self.ended()
        return ended is not None and not self.is_resumed() and (self._clock() - ended).total_seconds() >= gap.LONG_S

    def line_of_gap(self) -> str:
        """For the instance that is asked next; "" where nothing is to be told."""
        ended = self.ended()
        due = self._tells_gap and (self.is_resumed() or self.is_long())
        return gap.told(ended, self._clock()) if ended and due else ""

    # --- the file -------------------------------------------------------------------------------------------------

    def refresh(self) -> str:
        """What to tell of a file that somebody else has changed, and that was read again; else "". Raises
        TranscriptError for one that is no transcript any more."""
        return self.branch.refresh()

    def append(self, model: str) -> str:
        """Add what is new to the branch's file, if there is one; what to tell of it, or ""."""
        branch = self.branch
        if self.path is None or branch.is_kept:
            return ""
        is_second = branch.file is None and self.current > 0 and self.path.exists()
        return branch.save(next(names(self.path)) if is_second else self.path, self.transcript_of(model))

    def transcript_of(self, model: str) -> Transcript:
        """Of the current branch; `model` is in its title where no turn says which answered."""
        told = [turn.facts["model"] for turn in self.turns if turn.facts.get("model")]
        return Transcript(self._title, str((told or [model])[-1]), self._started, list(self.turns))
