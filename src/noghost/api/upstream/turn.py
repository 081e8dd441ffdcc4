"""One turn of a conversation that somebody else answers, told as ours are told. In an instance.

For the endpoints that give an answer a form of their own: what is asked leaves as a streamed chat completion, and what
comes is read as events, as if a parser had read them (api/turn.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from noghost.api.commitment import commit_to_answer, commitment_of
from noghost.api.here import here
from noghost.api.schemas import ChatRequest
from noghost.api.turn import Told
from noghost.api.upstream.call import Call, count_of
from noghost.api.upstream.deltas import Deltas
from noghost.api.upstream.passing import CHAT
from noghost.api.upstream.reading import chunks_of
from noghost.api.upstream.remote import Remote
from noghost.api.upstream.request import RemoteChat, checked, outgoing
from noghost.engine.generate import Done
from noghost.errors import RequestError

# What a chat request says to a service that renders the prompt itself.
OF_RENDERING = {"add_generation_prompt", "continue_final_message"}
OF_TOOLS = {"tools", "tool_choice", "parallel_tool_calls"}
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
NO_LOGPROBS = "this endpoint tells no logprobs of a remote model; ask /v1/chat/completions for them"


def begin_remote(body: ChatRequest, remote: Remote, request: Request) -> RemoteTurn:
    """Nothing leaves before `RemoteTurn.items` is asked. Raises RequestError."""
    now = here(request)
    now.timeline.reach("request")
    if body.logprobs:
        raise RequestError(NO_LOGPROBS, code="unsupported_parameter", param="top_logprobs")
    said = said_in(body)
    asked = checked(RemoteChat, said, request.scope)
    commit_to_answer(now.tally, request, is_one_text=False)  # not of an answer in a form of ours
    sent = outgoing(said | STREAMED, remote.upstream)
    return RemoteTurn(Call(now, remote), sent, commitment_of(request), path=asked.noghost.path)


def said_in(body: ChatRequest) -> dict[str, Any]:
    """What the caller said, and no default of ours: the provider has its own."""
    left_out = OF_RENDERING if body.tools else OF_RENDERING | OF_TOOLS
    return body.model_dump(by_alias=True, exclude_unset=True, exclude_none=True, exclude=left_out)


class RemoteTurn:
    """As `Turn`: the same to whoever tells of it."""

    prompt_tokens = 0  # they are known at the end

    def __init__(self, call: Call, body: bytes, commitment: bytes | None, *, path: bool) -> None:
        self.model = call.name
        self._call = call
        self._body = body
        self._commitment = commitment
        self._path = path
        self._usage: dict[str, Any] = {}

    async def items(self) -> AsyncIterator[Told | Done]:
        """What the answer says, then its end. Raises LedgerError and UpstreamError."""
        reply = await self._call.ask(CHAT.endpoint, self._body, self._commitment)
        deltas = Deltas()
        async for chunk in chunks_of(reply):
            self._call.here.timeline.reach("prefill")
            self._note(chunk.get("usage"))
            if events := deltas.read(chunk):
                yield Told(0, events, ())
        if events := deltas.finish():
            yield Told(0, events, ())
        await self._call.settle()
        tally = self._call.here.tally
        thought = self._detail("completion_tokens_details", "reasoning_tokens")
        yield Done(deltas.reason, tally.prompt_tokens, tally.answer_tokens, 0, 0, None, reasoning_tokens=thought)

    def _note(self, usage: Any) -> None:
        self._call.count(usage)
        self._usage = usage if isinstance(usage, dict) else self._usage

    def facts(self, _end: Done) -> dict[str, Any]:
        """Exact figures, for the caller alone."""
        return self._call.facts(path=self._path)

    @property
    def cached_tokens(self) -> int:
        """Of the prompt, as the provider tells."""
        return self._detail("prompt_tokens_details", "cached_tokens")

    def _detail(self, group: str, name: str) -> int:
        details = self._usage.get(group)
        return count_of(details.get(name)) if isinstance(details, dict) else 0

    def logprobs(self, _told: Told) -> list[Any]:
        """None were asked for."""
        return []
