"""A conversation that has outgrown the context goes on without its oldest messages. In a mind.

What is kept begins with something that the user said, as chat templates want it, so that no result of a tool is there
without its call. The instructions are always kept, and room for an answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from noghost.api.asked import Asked, asked_of
from noghost.api.schemas import ChatRequest
from noghost.engine.loaded import Loaded
from noghost.speech.frames import Memory

ANSWER_SHARE = 4  # of the context, a fourth is for an answer of which nothing is said


@dataclass
class Forgetting:
    """How much of a conversation is kept, and how many messages were left out."""

    memory: Memory
    forgotten: int = 0

    def fit(self, loaded: Loaded, body: ChatRequest, asked: Asked, tokens: list[int]) -> tuple[Asked, list[int]]:
        """What is asked, and its tokens: the same, or as much as fits."""
        least, most = self._bounds(loaded, body)
        if len(tokens) <= most:
            return asked, tokens
        kept = self.memory.instructions
        starts = [at for at, one in enumerate(body.messages) if at > kept and one.role == "user"]

        def asked_from(start: int) -> tuple[Asked, list[int]]:
            shorter = body.model_copy(update={"messages": [*body.messages[:kept], *body.messages[start:]]})
            found = asked_of(loaded, shorter)
            return found, loaded.model.tokenize_prompt(found.prompt)

        target = least + self.memory.retained * (most - least)
        start = first_that(starts, lambda at: len(asked_from(at)[1]) <= target)
        if start is None:
            return asked, tokens
        self.forgotten = start - kept
        return asked_from(start)

    def _bounds(self, loaded: Loaded, body: ChatRequest) -> tuple[int, int]:
        """Tokens of the instructions and tools, about; and of the prompt, at most."""
        room = loaded.context.n_ctx
        answer = min(body.most_tokens or room // ANSWER_SHARE, room // 2)
        told = [str(message.plain()["content"]) for message in body.messages[: self.memory.instructions]]
        least = loaded.model.count("\n".join([*told, json.dumps(list(body.offered)) if body.offered else ""]))
        most = min(room - answer, least + self.memory.most_tokens if self.memory.most_tokens else room)
        return min(least, most), most


def first_that(ordered: list[int], holds: Callable[[int], bool]) -> int | None:
    """The first of these from which on it holds; the last where it holds for none; None of an empty list. By halves:
    each look renders the whole prompt."""
    low, high = 0, len(ordered) - 1
    while low < high:
        middle = (low + high) // 2
        if holds(ordered[middle]):
            high = middle
        else:
            low = middle + 1
    return ordered[low] if ordered else None
