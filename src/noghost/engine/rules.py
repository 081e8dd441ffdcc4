"""A grammar in llguidance's Lark, put together rule by rule. PURE, in an instance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

# Between JSON's signs: a space, or a new line and its indentation. Without a bound a small model can go on for ever.
# No \\uXXXX: see CONTROL in schema_words.py.
JSON_STYLE: Any = {"whitespace_pattern": r" |\n[ \t]{0,20}", "json_allowed_escapes": 'nrbtf\\"'}


class Rules:
    """The rules so far. What a control token spells is that token; all else is text."""

    def __init__(self, tokens: Mapping[str, int] | None = None, ends: Iterable[int] = ()) -> None:
        """`tokens`: control tokens by what they spell. `ends`: those that may end an answer beside the model's own."""
        self._tokens, self._ends = tokens or {}, sorted(ends)
        self._rules: list[str] = []
        self._spelled = re.compile("|".join(map(re.escape, self._tokens)) or r"(?!)")

    def is_token(self, text: str) -> bool:
        """Whether one control token spells this."""
        return text in self._tokens

    def literal(self, text: str) -> str:
        """This text."""
        words, at = [], 0
        for match in self._spelled.finditer(text):
            words += [quoted(text[at : match.start()]), f"<[{self._tokens[match.group()]}]>"]
            at = match.end()
        return " ".join(filter(None, (*words, quoted(text[at:]))))

    def json(self, schema: Mapping[str, Any]) -> str:
        """JSON of a checked schema."""
        return self.define(f"%json {json.dumps({**schema, 'x-guidance': JSON_STYLE})}")

    def define(self, body: str) -> str:
        """A rule of its own; its name."""
        return self._add("rule", "", body)

    def terminal(self, body: str) -> str:
        """A regular expression, or several with & and ~; its name."""
        return self._add("TERMINAL", "", body)

    def until(self, marker: str) -> str:
        """Any text up to and with the first `marker`."""
        if self.is_token(marker):
            return f"{self.terminal('/(?s:.+)/')}? {self.literal(marker)}"
        return self._add("until", f"[suffix={quoted(marker)}]", "/(?s:.*)/")

    def without(self, marker: str, length: str = "1,") -> str:
        """Any text of this length (in characters, as a regular expression has it) that does not hold `marker`."""
        any_text = f"/(?s:.{{{length}}})/"
        return self.terminal(any_text if self.is_token(marker) else f"{any_text} & ~/(?s:.*{escaped(marker)}.*)/")

    def closed(self, marker: str, length: str) -> str:
        """The same and `marker`."""
        if self.is_token(marker):
            return f"{self.without(marker, length)} {self.literal(marker)}"
        return self.terminal(f"(/(?s:.{{{length}}})/ & ~/(?s:.*{escaped(marker)}.*)/) {quoted(marker)}")

    def text(self, start: str) -> str:
        """The grammar, which begins with `start`."""
        ends = " | ".join(f"<[{token}]>" for token in self._ends)
        return "\n".join((f"start: {start} {f'({ends})?' if ends else ''}", *self._rules))

    def _add(self, kind: str, options: str, body: str) -> str:
        name = f"{kind}{len(self._rules)}"
        self._rules.append(f"{name}{options}: {body}")
        return name


def quoted(text: str) -> str:
    """As Lark writes a text; nothing for nothing."""
    return json.dumps(text, ensure_ascii=False) if text else ""


def escaped(text: str) -> str:
    """A text in a regular expression of Lark's."""
    return re.escape(text).replace("/", r"\/")
