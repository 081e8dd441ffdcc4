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

import secrets
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from noghost.client.chat.fold import folded, refuses_order, tells_between, unproved
from noghost.client.chat.keeper import DEFAULT, Keeper, now
from noghost.client.conversation import Conversation, RefusedError
from noghost.client.receipts import fetch
from noghost.client.transcript import Transcript, Turn
from noghost.client.transcript.facts import stamp
from noghost.client.transcript.message import of_turn
from noghost.errors import NoghostError

MOST_SEED = 2**32 - 2
TITLE = "Conversation"
TOLD = ("instance", "model", "seed", "options", "key")  # of what is known of an answer, what a turn keeps


class Session(Keeper):
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
        super().__init__(TITLE, path, system=system, tells_gap=tells_gap, clock=clock)
        self.talk = talk
        self._folds = False  # this model takes no system line in the middle

    @property
    def model(self) -> str:
        """The name that is asked for."""
        return str(self.talk.options["model"])

    @model.setter
    def model(self, name: str) -> None:
        self.talk.options["model"] = name
        self._folds = False
        self.talk.drop_capsule()

    def models(self) -> list[str]:
        """What the service has, its default first; raises HuntError."""
        return self.talk.models()

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
        self.model, told = self.chosen_of(there)
        return told and (told[0], f"{told[1]}; /model NAME asks another")

    def unanswered(self) -> str:
        """A question with which the branch ends, as a file from elsewhere may."""
        return self.turns[-1].text if self.turns and self.turns[-1].role == "user" else ""

    def to_tell(self, text: str = "") -> str:
        """For the instance that is asked `text`: the line about the gap, or "". Before a question that stands already,
        nothing is put."""
        stands = bool(text) and text == self.unanswered()
        return "" if stands else self.line_of_gap()

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

    def save(self) -> str:
        """Append what is new to the branch's file, if there is one, with its receipts; what to tell of it, or ""."""
        if self.path is not None:
            for at in range(self.branch.kept, len(self.turns)):
                self._keep_receipt(at)
        return self.append(self.model)

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
        return self.transcript_of(self.model)


def messages(turns: list[Turn]) -> list[dict[str, Any]]:
    """As the API takes them."""
    return [of_turn(turn) for turn in turns]
