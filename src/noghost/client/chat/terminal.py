"""`noghost chat` where a person sits: read, answer, tell what went wrong, lose nothing of what was written."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager

from noghost.client.chat import commands
from noghost.client.chat.editor import Editor
from noghost.client.chat.facts import line_of
from noghost.client.chat.screen import Screen
from noghost.client.chat.session import Session
from noghost.client.chat.unechoed import unechoed
from noghost.errors import NoghostError

STOPPED = "ended, and its instance with it; your words are back in the editor"


class Terminal:
    """One conversation at one terminal."""

    def __init__(self, session: Session, *, facts: bool) -> None:
        self.session = session
        self.screen = Screen()
        self._facts = facts
        self._warned = False
        self._editor = Editor(commands.COMMANDS, self._status)

    def converse(self) -> None:
        """Until the person ends it."""
        with unechoed():
            self._open()
            self._converse(self.session.unanswered())

    def _converse(self, begun: str) -> None:
        while True:
            try:
                begun = self._do(self._editor.read(begun))
            except EOFError:
                if self._may_end():
                    return
                begun = ""
            except KeyboardInterrupt:  # between two prompts: there is nothing to end, and what was begun stays
                continue

    def _do(self, text: str) -> str:
        """One thing that was sent; what the editor is to begin with next. Raises EOFError at the end."""
        try:
            if text.startswith("/"):
                return commands.run(self, text)
            return self.answer(text) if text.strip() else ""
        except NoghostError as error:
            self.screen.error(error)
            return "" if text.strip() in commands.COMMANDS else text
        except KeyboardInterrupt:
            self.screen.note("ended")
            return ""

    def _may_end(self) -> bool:
        """Not while turns are in memory alone that should be in a file, but the second time."""
        told = "" if self._warned else self.session.save()
        self._warned = bool(told)
        if told:
            self.screen.warn(told, "/export FILE keeps them elsewhere; Ctrl-D once more ends without them")
        return not told

    def answer(self, text: str, seed: int | None = None) -> str:
        """Ask, and show the answer as it comes; the text again where there was none."""
        try:
            self._make_ready(text)
            with self.screen.answering() as answering, closing(self.session.ask(text, seed)) as pieces:
                self.session.talk.on_thought = answering.think
                for piece in pieces:
                    answering.add(piece)
        except KeyboardInterrupt:
            self.screen.note(STOPPED)
            return text
        except NoghostError as error:
            self.screen.error(error)
            return text
        self._keep()
        return ""

    def _make_ready(self, text: str) -> None:
        """Know the model and the file as they are now; show what the instance is told of the gap."""
        self._choose_model()
        if told := self.session.refresh():
            self.screen.warn(told)
        if self.session.is_long():
            self.screen.gap(self.session.gap())
        if line := self.session.to_tell(text):
            self.screen.note(f"told: {line}")

    def _keep(self) -> None:
        """Append the turn; say what is unusual about it."""
        before = self.session.branch.path
        with uninterrupted():
            told = self.session.save()
        if told:
            self.screen.warn(told)
        elif self.session.branch.path != before:
            self.screen.note(f"kept in {self.session.branch.path}")
        if self.session.talk.facts.get("finish_reason") == "length":
            self.screen.note("cut at --max-tokens")
        if self._facts:
            self.screen.note(line_of(self.session.talk.facts))

    def _open(self) -> None:
        """Who answers, what was said, how long there was nothing."""
        try:
            self._choose_model()
        except NoghostError as error:
            self.screen.error(error)
        self.show_last()
        if gap := self.session.gap():
            self.screen.gap(gap)

    def _choose_model(self) -> None:
        """The one of the file, where it is there; and say so where it is not. Raises HuntError without a service."""
        if told := self.session.choose_model():
            self.screen.warn(*told)

    def show_last(self) -> None:
        """The last turns of the branch."""
        self.screen.last_of(self.session.turns)

    def say_branch(self) -> None:
        """Where there is more than one."""
        if len(self.session.branches) > 1:
            self.screen.note(f"branch {self.session.current + 1}; the others are as they were: /branch")

    def _status(self) -> str:
        """The line at the bottom."""
        session = self.session
        place = session.branch.path or session.path
        branch = f"branch {session.current + 1} of {len(session.branches)}" if len(session.branches) > 1 else ""
        parts = (session.model, str(place) if place else "kept nowhere", branch, "/help")
        return " · ".join(filter(None, parts))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A turn is written whole, whatever is pressed meanwhile."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
