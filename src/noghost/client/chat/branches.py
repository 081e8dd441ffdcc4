"""All lines of one conversation, and the one that is spoken in."""

from __future__ import annotations

from noghost.client.chat.branch import Branch
from noghost.client.transcript import Turn
from noghost.errors import ConfigError


class Branches:
    """Numbered from 1 for a person; none is ever left out."""

    def __init__(self, first: Branch) -> None:
        self.branches = [first]
        self.current = 0

    @property
    def branch(self) -> Branch:
        """The one that is spoken in."""
        return self.branches[self.current]

    @property
    def turns(self) -> list[Turn]:
        """Of the current branch."""
        return self.branch.turns

    def begin(self, turns: list[Turn]) -> None:
        """Go on from these turns, in a branch of its own where something was said in the present one."""
        if turns == self.turns:
            return
        if self.branch.file or self.branch.questions():
            self.branches.append(Branch(list(turns)))
            self.current = len(self.branches) - 1
        else:
            self.turns[:] = turns

    def fork(self) -> None:
        """Go on from here in a branch of its own."""
        self.branches.append(Branch(list(self.turns)))
        self.current = len(self.branches) - 1

    def switch(self, number: int) -> None:
        """To branch 1, 2 …; raises ConfigError."""
        if not 1 <= number <= len(self.branches):
            raise ConfigError(f"there is no branch {number}", f"there are {len(self.branches)}: /branch lists them")
        self.current = number - 1

    def take_back(self, number: int | None = None) -> str:
        """Question 1, 2 … or the last, for another try: a branch begins before it. Raises ConfigError."""
        asked = self.branch.questions()
        if not asked:
            raise ConfigError("nothing was asked yet", "ask something")
        if number is not None and not 1 <= number <= len(asked):
            raise ConfigError(f"there is no question {number}", f"there are {len(asked)}")
        at = asked[-1 if number is None else number - 1]
        text = self.turns[at].text
        self.begin(self.branch.before(at))
        return text
