"""The first steps of `noghost ask`, before it imports what answers. In the command's process."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from noghost.config import Config
from noghost.reaper.spawn import Spawned, spawn_reaper
from noghost.title import take_title

if TYPE_CHECKING:
    from noghost.models import Found, Loading


def start_ahead() -> Spawned:
    """Take the question out of the process list; start the reaper, which gets ready while the command imports."""
    gc.disable()  # until all is loaded: it would look again and again at what stays
    take_title("noghost: ask")
    return spawn_reaper()


def load_ahead(config: Config, most_tokens: int | None) -> tuple[Found, Loading]:
    """The model that is meant; it is loaded, with a context for so many tokens, while the command imports the rest."""
    from noghost.instance.memory import keep_one_arena
    from noghost.models import find_models  # now, while the reaper imports too

    keep_one_arena()
    found = find_models(config)[0]
    return found, found.begin(config.context_tokens, most_tokens)
