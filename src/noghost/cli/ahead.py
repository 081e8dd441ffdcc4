"""The first steps of `noghost ask`, which take longest, before it imports what answers. In the command's process.

With the default model they are begun before the command line is read, which takes as long as a fifth of the load
(bench/cold.py): most questions name no model.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noghost.errors import NoghostError

if TYPE_CHECKING:
    from noghost.engine.ahead import Ahead
    from noghost.models import Found, Loading
    from noghost.reaper.spawn import Spawned

# With one of these, whatever its value, it is not certain that the default model will be asked, here, and at once.
OTHERWISE = ("--model", "--url", "--fresh", "--questions", "--help", "-h")


@dataclass(frozen=True, slots=True)
class Begun:
    """A model, its weights, and the reaper, which gets ready while they are loaded."""

    found: Found
    ahead: Ahead | None  # None: weights that are repacked are loaded later
    reaper: Spawned

    def loading(self, context_tokens: int, most_tokens: int | None) -> Loading:
        """What waits for the model and a context for so many tokens, which is made next."""
        if self.ahead is None:
            return self.found.begin(context_tokens, most_tokens)
        from noghost.engine.context import Room

        return self.ahead.with_context(Room(context_tokens, most_tokens))


early: list[Begun] = []


def begin_early(words: Sequence[str]) -> None:
    """Begin with the default model if the command line is one of `ask` that means it. What fails here fails again in
    its place, where it is told."""
    if words[:1] == ["ask"] and not any(word.startswith(OTHERWISE) for word in words):
        with suppress(NoghostError):
            early.append(begin(None, 0))


def begin(model: str | None, context_tokens: int) -> Begun:
    """Take the question out of the process list, begin to load, and start the reaper. Raises WeightsError.

    `context_tokens` is for a model that nobody tried yet.
    """
    gc.disable()  # until all is loaded: it would look again and again at what stays
    from noghost.engine.ahead import Ahead
    from noghost.instance.memory import keep_one_arena
    from noghost.models import find_model
    from noghost.title import take_title

    take_title("noghost: ask")
    keep_one_arena()
    found = find_model(model, context_tokens)
    ahead = None if found.file.prepared else Ahead(found.file.path)
    from noghost.reaper.spawn import spawn_reaper

    return Begun(found, ahead, spawn_reaper())
