"""Markdown as it arrives: which of it is settled, and how it looks in a terminal.

Covered: no control character of an answer or a file reaches the terminal, no link hides its address, no HTML is lost.
Not covered: characters that look like others.
"""

from __future__ import annotations

import unicodedata
from typing import ClassVar

from markdown_it import MarkdownIt
from rich import markdown as rich_markdown
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

PARSER = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
CODE_THEME = "ansi_dark"  # the terminal's own colours, on its own background
PICTURES = 0x2400  # Unicode's pictures of control characters


class Heading(rich_markdown.Heading):
    """All at the left."""

    LEVEL_ALIGN: ClassVar = dict.fromkeys(rich_markdown.Heading.LEVEL_ALIGN, "left")


class Markdown(rich_markdown.Markdown):
    """Rich's, with HTML shown as the text that it is, and the address of each link."""

    elements: ClassVar = {**rich_markdown.Markdown.elements, "heading_open": Heading}

    def __init__(self, text: str) -> None:
        super().__init__("", code_theme=CODE_THEME, hyperlinks=False)
        self.markup, self.parsed = text, PARSER.parse(text)


class Blocks:
    """Some blocks without the blank lines that rich puts around them; the last `most` lines, if not all."""

    def __init__(self, text: str, most: int | None = None) -> None:
        self._text = text
        self._most = most

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(Markdown(self._text), options, pad=False)
        written = [at for at, line in enumerate(lines) if any(segment.text.strip() for segment in line)]
        whole = lines[written[0] : written[-1] + 1] if written else []
        for line in whole[-self._most :] if self._most else whole:
            yield from line
            yield Segment.line()


def settled(text: str) -> int:
    """How many characters of it are blocks that nothing which follows can change: all whole lines before the last
    block, for a block that has begun ends the ones before it."""
    lines = text[: text.rfind("\n") + 1]
    begins = [token.map[0] for token in PARSER.parse(lines) if token.level == 0 and token.map]
    return sum(map(len, lines.splitlines(keepends=True)[: begins[-1]])) if len(begins) > 1 else 0


def harmless(text: str) -> str:
    """Line feeds and tabs as they are; any other control character as its picture, and what has none as U+FFFD."""
    return "".join(map(pictured, text))


def pictured(one: str) -> str:
    """A character as it may be shown."""
    if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cs"):
        return one
    return chr(PICTURES + ord(one)) if ord(one) < ord(" ") else "\ufffd"
