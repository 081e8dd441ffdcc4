"""What a conversation looks like in a terminal: rich writes it. In the chat command alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.text import Text
from rich.theme import Theme

from noghost.client.chat.markdown import Blocks, harmless, settled
from noghost.client.transcript import Turn
from noghost.errors import NoghostError

PROMPT = "› "
FRAMES_S = 12  # redraws of what is not settled, a second
SHOWN = 4  # turns of a conversation that is gone on with
PATIENCE_S = 0.4  # without a word, before something is said about it
THEME = Theme(
    {
        "told": "dim",
        "thought": "dim italic",
        "wrong": "red",
        "unusual": "yellow",
        "gap": "dim",
        "you": "bold cyan",
        "markdown.h1": "bold underline",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.code": "cyan",
        "markdown.item.bullet": "cyan",
        "markdown.item.number": "cyan",
        "markdown.block_quote": "italic",
    }
)


class Screen:
    """Notes, errors, gaps and answers."""

    def __init__(self) -> None:
        self.console = Console(theme=THEME, highlight=False, emoji=False, markup=False)

    def note(self, text: str) -> None:
        """Of ours, not of the conversation."""
        self.console.print(Text(harmless(text), style="told"))

    def table(self, text: str) -> None:
        """Of ours, in lines that are not to be wrapped."""
        self.console.print(Text(harmless(text), style="told"), soft_wrap=True)

    def error(self, error: NoghostError) -> None:
        """What was attempted, and what to do about it."""
        self.warn(error.message, error.hint, style="wrong")

    def warn(self, message: str, hint: str = "", *, style: str = "unusual") -> None:
        """The same, of what is no error."""
        self.console.print(Text(harmless(f"noghost: {message}"), style=style))
        if hint:
            self.note(f"hint: {hint}")

    def gap(self, text: str) -> None:
        """Nothing, as a line."""
        self.console.print(Rule(Text(text, style="gap"), style="gap"))

    def question(self, text: str) -> None:
        """As it was said in an earlier session."""
        self.console.print(Text.assemble((PROMPT, "you"), harmless(text)))

    def answer(self, text: str) -> None:
        """A whole one."""
        self.console.print(Blocks(harmless(text)))
        self.console.print()

    def last_of(self, turns: list[Turn]) -> None:
        """The last ones of a conversation."""
        if len(turns) > SHOWN:
            self.note(f"… {len(turns) - SHOWN} earlier turns")
        for turn in turns[-SHOWN:]:
            if turn.role == "user":
                self.question(turn.text)
            elif turn.role == "assistant":
                self.answer(turn.text)
            else:
                self.note(f"{turn.role}: {turn.text}")

    @contextmanager
    def answering(self) -> Iterator[Answering]:
        """Write an answer as it comes; what was not settled is written at the end, however that comes."""
        answering = Answering(self.console)
        live = Live(
            get_renderable=answering.unsettled,
            console=self.console,
            refresh_per_second=FRAMES_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        try:
            with live:
                yield answering
        finally:
            answering.finish()


class Answering:
    """One answer on its way: settled blocks stay on the screen, the last one is drawn anew until it is settled."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began_s = time.monotonic()
        self._thought = ""
        self._held = ""
        self._written = False

    def think(self, piece: str) -> None:
        """What comes before an answer, and is none of it."""
        if self._held.strip():  # it thinks once more
            self._write(self._held)
        self._held = ""
        self._thought += harmless(piece)

    def add(self, piece: str) -> None:
        """More of it."""
        self._end_thought()
        self._held += harmless(piece)
        if "\n" in piece and (end := settled(self._held)):
            whole, self._held = self._held[:end], self._held[end:]
            self._write(whole)

    def finish(self) -> None:
        """Write what is left."""
        self._end_thought()
        if self._held.strip():
            self._write(self._held)
        self._held = ""
        if self._written:
            self._console.print()

    def unsettled(self) -> RenderableType:
        """For the frame that is drawn now."""
        if self._thought.strip():
            lines = thought(self._thought).wrap(self._console, self._console.width)
            return Text("\n").join(lines[-max(1, self._console.height - 2) :])
        if self._held.strip():
            return Blocks(self._held, max(1, self._console.height - 2))
        waited_s = time.monotonic() - self._began_s
        quiet = self._written or waited_s < PATIENCE_S
        return Text("" if quiet else f"… {waited_s:.0f} s, Ctrl-C ends it", style="told")

    def _end_thought(self) -> None:
        if self._thought.strip():
            self._console.print(thought(self._thought))
            self._console.print()
        self._thought = ""

    def _write(self, blocks: str) -> None:
        if self._written:
            self._console.print()
        self._console.print(Blocks(blocks))
        self._written = True


def thought(text: str) -> Text:
    """As it is: no Markdown, and not an answer at a glance."""
    return Text(text.strip(), style="thought")
