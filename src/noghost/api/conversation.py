"""A conversation's turn, whoever answers it: a model of this service or another's. In an instance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from starlette.requests import Request

from noghost.api.here import here
from noghost.api.schemas import ChatRequest
from noghost.api.turn import Told, begin_turn
from noghost.engine.generate import Done


class Conversation(Protocol):
    """What an endpoint tells of."""

    model: str  # as the service calls it

    @property
    def prompt_tokens(self) -> int:
        """As far as they are known before the answer."""

    @property
    def cached_tokens(self) -> int:
        """Of these, what was computed before; known at the end."""

    def items(self) -> AsyncIterator[Told | Done]:
        """What the answer says, then its end."""

    def facts(self, end: Done) -> dict[str, Any]:
        """Exact figures, for the caller alone."""

    def logprobs(self, told: Told) -> list[dict[str, Any]]:
        """Of its tokens, as a chat completion tells them."""


async def begin(body: ChatRequest, request: Request) -> Conversation:
    """Raises RequestError for a request that this model cannot answer."""
    remote = here(request).remote_called(body.model)
    if remote is None:
        return await begin_turn(body, request)
    from noghost.api.upstream.turn import begin_remote  # a service without remote models does without it

    return begin_remote(body, remote, request)
