"""Where a text can be spoken in parts: its sentences, as they become whole. PURE."""

from __future__ import annotations

import re

# A mark of an end with a space or a line's end after it, and not after a single letter or an abbreviation of the few
# that are common; or a line's end.
END = re.compile(r"(?<!\b[A-Za-z])(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\be\.g)(?<!\bi\.e)[.!?…]+[\"')\]]*(?=\s)|\n|[。！？]")
# Where a speaker may pause: a mark, or before a word that begins a clause.
CLAUSE = re.compile(
    r"[,;:–—][\"')\]]*(?=\s)"
    r"|(?=\s(?:and|but|or|because|which|who|that|when|where|while|if|since|although|before|after|until|so)\s)"
)
LEAST_CHARACTERS = 25  # of a clause that is spoken alone: it lasts until the next part is made
MOST_CHARACTERS = 400  # of a part; a text without marks is divided at a space before that


class Sentences:
    """Takes text as it comes, gives sentences that are whole. `hasty`: the first may be a clause, so that a text that
    is still being written is heard sooner."""

    def __init__(self, *, hasty: bool = False) -> None:
        self._hasty = hasty
        self._rest = ""

    def add(self, text: str) -> list[str]:
        """Those that are whole by that."""
        self._rest += text
        found = []
        while cut := self._cut():
            self._hasty = False
            found.append(self._rest[:cut].strip())
            self._rest = self._rest[cut:]
        return [sentence for sentence in found if sentence]

    def end(self) -> list[str]:
        """What is left."""
        rest, self._rest = self._rest.strip(), ""
        return [rest] if rest else []

    def _cut(self) -> int:
        """How much of it is a whole part; 0: none is."""
        found = END.search(self._rest)
        clause = CLAUSE.search(self._rest, LEAST_CHARACTERS) if self._hasty else None
        ends = [one.end() for one in (found, clause) if one]
        if ends and min(ends) <= MOST_CHARACTERS:
            return min(ends)
        if len(self._rest) <= MOST_CHARACTERS:
            return 0
        return self._rest.rfind(" ", 1, MOST_CHARACTERS) + 1 or MOST_CHARACTERS
