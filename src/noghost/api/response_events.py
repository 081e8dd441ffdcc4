"""The response object, and its events with their numbers. PURE, in an instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from noghost.api.response_output import Data, Output
from noghost.api.response_schema import ResponsesRequest
from noghost.api.schemas import ChatRequest
from noghost.engine.families.events import Event
from noghost.engine.generate import Done

DEFAULT_FORMAT = {"type": "text"}


class Account:
    """One response as it is told. Every method yields events; after the last, `response` is whole."""

    def __init__(self, name: str, fixed: Data, now_s: Callable[[], int]) -> None:
        """`name`: the instance's; `fixed`: what the request says of the response; `now_s`: Unix time."""
        self._output = Output(name)
        self._now_s = now_s
        self._number = 0
        self.response: Data = {
            "id": f"resp_{name}",
            "object": "response",
            "created_at": now_s(),
            "status": "in_progress",
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            **fixed,
            "output": [],
            "usage": None,
        }

    def begin(self) -> Iterator[Data]:
        """Before the first item."""
        yield from self._numbered([self._whole("response.created"), self._whole("response.in_progress")])

    def take(self, events: Sequence[Event], logprobs: Sequence[Data]) -> Iterator[Data]:
        """What became certain."""
        yield from self._numbered(self._output.take(events, logprobs))

    def end(self, usage: Data, facts: Data, *, is_cut: bool) -> Iterator[Data]:
        """The answer ended by itself, or was cut at its bound of tokens."""
        status = "incomplete" if is_cut else "completed"
        yield from self._numbered(self._output.close(status))
        self._settle(status, usage=usage, noghost=facts)
        if is_cut:
            self.response["incomplete_details"] = {"reason": "max_output_tokens"}
        else:
            self.response["completed_at"] = self._now_s()
        yield from self._numbered([self._whole(f"response.{status}")])

    def fail(self, message: str, *, is_ours: bool) -> Iterator[Data]:
        """The answer broke off, by a fault of ours or for what was asked."""
        code = "server_error" if is_ours else "invalid_prompt"  # of the few that OpenAI's API has
        yield from self._numbered(self._output.close("incomplete"))
        self._settle("failed", error={"code": code, "message": message})
        yield from self._numbered([self._whole("response.failed")])

    def _settle(self, status: str, **more: Any) -> None:
        self.response |= {"status": status, "output": self._output.items, **more}

    def _whole(self, kind: str) -> Data:
        return {"type": kind, "response": dict(self.response)}

    def _numbered(self, events: Iterable[Data]) -> Iterator[Data]:
        for event in events:
            yield {**event, "sequence_number": self._number}
            self._number += 1


def fixed_of(body: ResponsesRequest, chat: ChatRequest, model: str) -> Data:
    """What the request says of the response, defaults filled in: OpenAI's API repeats it to the caller."""
    choice = body.tool_choice
    return {
        "model": model,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "temperature": chat.temperature,
        "top_p": chat.top_p,
        "text": {"format": body.text.format.model_dump(by_alias=True) if body.text.format else DEFAULT_FORMAT},
        "tools": [tool.model_dump() for tool in body.tools],
        "tool_choice": choice if isinstance(choice, str) else choice.model_dump(),
        "parallel_tool_calls": body.parallel_tool_calls,
        "reasoning": body.reasoning.model_dump(),
        "top_logprobs": body.top_logprobs or 0,
        "metadata": body.metadata or {},
        "truncation": "disabled",
        "background": False,
        "store": False,
        "previous_response_id": None,
    }


def usage_of(end: Done, cached_tokens: int) -> Data:
    """OpenAI's `usage` of a response."""
    return {
        "input_tokens": end.prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens, "cache_write_tokens": 0},
        "output_tokens": end.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": end.reasoning_tokens or 0},
        "total_tokens": end.prompt_tokens + end.completion_tokens,
    }
