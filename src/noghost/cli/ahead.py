"""The first steps of `noghost ask`, before it imports what answers. In the command's process."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noghost.models import Found, Loading
    from noghost.reaper.spawn import Spawned


def start_ahead(model: str | None, context_tokens: int, most_tokens: int | None) -> tuple[Found, Loading, Spawned]:
    """Take the question out of the process list; begin to load the model that is meant, with a context for so many
    tokens, which takes longest; start the reaper. Both get ready while the command imports. Raises WeightsError."""
    gc.disable()  # until all is loaded: it would look again and again at what stays
    from noghost.instance.memory import keep_one_arena
    from noghost.models import find_model
    from noghost.title import take_title

    take_title("noghost: ask")
    keep_one_arena()
    found = find_model(model, context_tokens)
    loading = found.begin(context_tokens, most_tokens)
    from noghost.reaper.spawn import spawn_reaper

    return found, loading, spawn_reaper()
