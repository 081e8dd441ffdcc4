"""A conversation as its person has it: branches, a file for each if one is wanted, the gaps between its turns.

    session = Session(Conversation(url), path=Path("notes.md"))
    for piece in session.ask("Hello!"):
        ...
    session.save()

Knows no terminal. A turn that broke off is none: question and answer become turns together, once the answer is whole.

Covered: nothing is in a file unless a path was given; no turn is in a repr or an error.
Not covered: this process's memory while it lives, and swap.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from noghost.client.chat import gap
from noghost.client.chat.branch import Branch, names
from noghost.client.chat.branches import Branches
from noghost.client.chat.fold import folded, refuses_order, tells_between, unproved
from noghost.client.conversation import Conversation, RefusedError
from noghost.client.receipts import fetch
from noghost.client.transcript import Transcript, TranscriptFile, Turn
from noghost.client.transcript.facts import stamp
from noghost.client.transcript.message import of_turn
from noghost.errors import ConfigError, NoghostError

MOST_SEED = 2**32 - 2
DEFAULT = "default"
TITLE = "Conversation"
TOLD = ("instance", "model", "seed", "options", "key")  # of what is known of an answer, what a turn keeps


def now() -> datetime:
    """With its zone."""
    return datetime.now(UTC)


class Session(Branches):
    """Branches of one conversation, and the one that is spoken in.

    `tells_gap`: the new instance is told how long there was nothing. Raises TranscriptError for a file that is none.
    """

    def __init__(
        self,
        talk: Conversation,
        *,
        path: Path | None = None,
        system: str = "",
        tells_gap: bool = True,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """A file that is there is gone on with."""
        self.talk = talk
        self.path = path
        super().__init__(Branch([Turn("system", system)] if system else []))
        self.file_model = ""  # as the file's title names it
        self._tells_gap = tells_gap
        self._folds = False  # this model takes no system line in the middle
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
            raise ConfigError(f"--system, and {path} has begun already", "leave it out; /system begins a branch")
        file = TranscriptFile(path)
        transcript = file.read()
        turns = transcript.turns
        self.branches = [Branch(turns, file, len(turns))]
        self.file_model, self._started = transcript.model, transcript.started

    @property
    def model(self) -> str:
        """The name that is asked for."""
        return str(self.talk.options["model"])

    @model.setter
    def model(self, name: str) -> None:
        self.talk.options["model"] = name
        self._folds = False
        self.talk.drop_capsule()

    @property
    def system(self) -> str:
        """What the model is told first."""
        return self.turns[0].text if self.turns and self.turns[0].role == "system" else ""

    def models(self) -> list[str]:
        """What the service has, its default first; raises HuntError."""
        return [str(one["id"]) for one in json.loads(self.talk.get("/v1/models"))["data"]]

    def choose_model(self) -> tuple[str, str] | None:
        """The model of the file where none was asked for, else the service's own default, by its name.

        Returns what to tell where the file's is not there, and what there is. Raises HuntError without a service.
        """
        if self.model != DEFAULT:
            return None
        try:
            there = self.models()
        except RefusedError:  # a service of another make, without a list
            return None
        self.model = self.file_model if self.file_model in there else there[0]
        if self.file_model in ("", DEFAULT, self.model):
            return None
        return (
            f"{self.path} is of the model {self.file_model}, which this service has not; {self.model} is asked",
            f"it has: {', '.join(there)}; /model NAME asks another",
        )

    def unanswered(self) -> str:
        """A question with which the branch ends, as a file from elsewhere may."""
        return self.turns[-1].text if self.turns and self.turns[-1].role == "user" else ""

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

    def to_tell(self, text: str = "") -> str:
        """For the instance that is asked `text`: the line about the gap, or "". Before a question that stands already,
        nothing is put."""
        ended = self.ended()
        stands = bool(text) and text == self.unanswered()
        due = self._tells_gap and not stands and (self.is_resumed() or self.is_long())
        return gap.told(ended, self._clock()) if ended and due else ""

    # --- speaking -------------------------------------------------------------------------------------------------

    def ask(self, text: str, seed: int | None = None) -> Generator[str, None, None]:
        """The answer in pieces. Once it is whole, it and what led to it are turns; raises HuntError."""
        text = text.encode("utf-8", "replace").decode()  # a terminal can give half of a character
        seed = secrets.randbelow(MOST_SEED) if seed is None else seed
        try:
            yield from self._ask(text, seed)
        except RefusedError as error:
            if self._folds or not refuses_order(error) or not (self.to_tell(text) or tells_between(self.turns)):
                raise
            self._fold()
            yield from self._ask(text, seed)

    def _ask(self, text: str, seed: int) -> Generator[str, None, None]:
        before, said = self._said(text)
        self.talk.messages = messages([*before, *said[:-1]])
        began = self._clock()
        pieces = []
        for piece in self.talk.say(said[-1].text, seed=seed):
            pieces.append(piece)
            yield piece
        facts = {name: self.talk.facts[name] for name in TOLD if name in self.talk.facts}
        times = {"began": stamp(began), "ended": stamp(self._clock())}
        self.turns[:] = [*before, *said, Turn("assistant", "".join(pieces), times | facts)]

    def _said(self, text: str) -> tuple[list[Turn], list[Turn]]:
        """(what stands already, what is new): the question, and before it the line about the gap, or in one with it
        where the model wants that."""
        if text == self.unanswered():
            return self.turns[:-1], self.turns[-1:]
        line = self.to_tell(text)
        if not line:
            return self.turns, [Turn("user", text)]
        if self._folds:
            return self.turns, [Turn("user", f"{line}\n\n{text}")]
        return self.turns, [Turn("system", line), Turn("user", text)]

    def _fold(self) -> None:
        """For a model that takes no system line in the middle. What stands is what is sent, so that is a branch."""
        self._folds = True
        if tells_between(self.turns):
            self.begin(folded(self.turns))

    def receipt(self, at: int) -> str:
        """The receipt of the answer that is turn `at`: the one kept with it, else the service's; raises HuntError."""
        facts = self.turns[at].facts
        if "receipt" not in facts and "instance" in facts:
            facts = {**facts, "receipt": fetch(self.talk.get, str(facts["instance"]))}
            self.turns[at] = replace(self.turns[at], facts=facts)
        return str(facts.get("receipt", ""))

    def refresh(self) -> str:
        """What to tell of a file that somebody else has changed, and that was read again; else "". Raises
        TranscriptError for one that is no transcript any more."""
        return self.branch.refresh()

    def save(self) -> str:
        """Append what is new to the branch's file, if there is one, with its receipts; what to tell of it, or ""."""
        branch = self.branch
        if self.path is None or branch.is_kept:
            return ""
        for at in range(branch.kept, len(self.turns)):
            self._keep_receipt(at)
        is_second = branch.file is None and self.current > 0 and self.path.exists()
        return branch.save(next(names(self.path)) if is_second else self.path, self.transcript())

    def _keep_receipt(self, at: int) -> None:
        try:
            self.receipt(at)
        except NoghostError:
            return  # a turn without one is a turn all the same, and `noghost verify` says so

    def set_system(self, text: str) -> None:
        """What the model is told first from now on; in a conversation that has begun, that is a branch."""
        rest = map(unproved, self.turns[1:] if self.system else self.turns)
        self.begin([*([Turn("system", text)] if text else []), *rest])

    def transcript(self) -> Transcript:
        """Of the current branch."""
        told = [turn.facts["model"] for turn in self.turns if turn.facts.get("model")]
        return Transcript(TITLE, str((told or [self.model])[-1]), self._started, list(self.turns))


def messages(turns: list[Turn]) -> list[dict[str, Any]]:
    """As the API takes them."""
    return [of_turn(turn) for turn in turns]
