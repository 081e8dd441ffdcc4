"""Where a person writes: prompt_toolkit reads it. In the chat command alone. What was written is in memory alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from noghost.client.chat.screen import PROMPT

STYLE = Style([("bottom-toolbar", "noreverse ansibrightblack"), ("prompt", "bold ansicyan")])


class Editor:
    """Enter sends, Alt-Enter or Ctrl-J begins a line; Ctrl-C clears, Ctrl-D ends. `status` is the bottom line."""

    def __init__(self, words: Iterable[str], status: Callable[[], str]) -> None:
        self._session: PromptSession[str] = PromptSession(
            history=InMemoryHistory(),
            multiline=True,
            key_bindings=keys(),
            completer=Commands(words),
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
            reserve_space_for_menu=0,
            bottom_toolbar=lambda: [("class:bottom-toolbar", status())],
            prompt_continuation=continued,
            style=STYLE,
        )

    def read(self, text: str = "") -> str:
        """What the person sends, beginning with `text`; raises EOFError at the end."""
        return self._session.prompt([("class:prompt", PROMPT)], default=text)


class Commands(Completer):
    """Of a line that begins with one."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = sorted(words)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Those that go on so."""
        begun = document.text_before_cursor
        if begun.startswith("/"):
            yield from (Completion(word, -len(begun)) for word in self._words if word.startswith(begun))


def keys() -> KeyBindings:
    """Ours, before prompt_toolkit's own."""
    bindings = KeyBindings()

    @bindings.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    @bindings.add("c-j")
    def begin_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @bindings.add("c-c")
    def clear(event: KeyPressEvent) -> None:
        event.current_buffer.append_to_history()  # the arrow up brings it back
        event.current_buffer.reset()

    return bindings


def continued(width: int, _line: int, _wrapped: int) -> StyleAndTextTuples:
    """Before each further line."""
    return [("", " " * width)]
