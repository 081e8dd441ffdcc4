"""What a spoken conversation looks like in a terminal: rich writes it, with the words of the chat's screen."""

from __future__ import annotations

from rich.console import Group
from rich.live import Live
from rich.text import Text

from noghost.client.chat.markdown import harmless
from noghost.client.chat.screen import PROMPT, Screen
from noghost.client.talk.exchange import Exchange

CUT = " —"  # where an answer was interrupted
ROOM = 3  # lines that are not an answer's


class TalkScreen(Screen):
    """What is settled stays; below it what is spoken now, and one line about what a key does."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[Text] = []
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def begin(self) -> None:
        """From now on `draw`."""
        self._live.start(refresh=False)

    def end(self) -> None:
        """What is not settled is gone."""
        self._live.stop()

    def draw(self, exchanges: list[Exchange], status: str) -> None:
        """As it is now."""
        lines = [part for exchange in exchanges for part in parts(exchange)]
        shown = [*map(self._last_of, lines), Text(status, style="told", no_wrap=True, overflow="ellipsis")]
        if shown != self._shown:
            self._live.update(Group(*shown), refresh=True)
            self._shown = shown

    def _last_of(self, text: Text) -> Text:
        """The lines of it for which there is room."""
        room = max(1, self.console.height - ROOM)
        return Text("\n").join(list(text.wrap(self.console, self.console.width))[-room:])

    def settled(self, exchange: Exchange) -> None:
        """It is over: how it is kept."""
        for part in parts(exchange):
            self.console.print(part)
        if told := exchange.latency.line():
            self.note(told)
        self.console.print()


def parts(exchange: Exchange) -> list[Text]:
    """The question, and as much of the answer as was heard."""
    found = [question(exchange)]
    if exchange.spoken:
        found.append(Text(harmless(exchange.spoken) + CUT * (exchange.cut_s is not None)))
    return found


def question(exchange: Exchange) -> Text:
    """Its text; before that is known the caption, in which grey is what may still change."""
    if exchange.asked is not None:
        return Text.assemble((PROMPT, "you"), harmless(exchange.asked))
    firm, rest = harmless(exchange.firm).strip(), harmless(exchange.open).strip()
    between = " " * bool(firm and rest)
    return Text.assemble((PROMPT, "you"), firm, between, (rest or "…" * (not firm), "told"))
