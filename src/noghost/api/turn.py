"""One turn of a conversation: the prompt, the work, and what the answer says, taken apart. In an instance.

What /v1/chat/completions, /v1/responses and /v1/messages have in common; each gives `Turn.items` a form of its own.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request

from noghost.api.asked import asked_of
from noghost.api.capsule import wish_of
from noghost.api.commitment import commit_to_answer, commitment_of
from noghost.api.here import Here, here
from noghost.api.loading import loaded_for
from noghost.api.logprobs import Pieces, of_chat
from noghost.api.schemas import ChatRequest, Generation
from noghost.api.work import Job, Work
from noghost.engine.families.events import CallBegun, Event, Reasoning
from noghost.engine.families.family import PLAIN
from noghost.engine.families.parser import Parser
from noghost.engine.generate import Chunk, Done
from noghost.engine.loaded import Loaded
from noghost.engine.logprobs import TokenLogprob
from noghost.engine.sampler import SamplingParams
from noghost.instance.identity import fresh_seed

FORGETS = "noghost.forgets"  # in the scope: what a conversation that is too long may lose (forgetting.py)


@dataclass(frozen=True, repr=False)  # no repr: it would hold content
class Told:
    """What became certain of one choice: events in order, and the probabilities of the tokens that came since the
    last one, where they were asked for. Either may be empty."""

    choice: int
    events: list[Event]
    logprobs: tuple[TokenLogprob, ...]


class Turn:
    """A job whose text is read by a parser, one for each choice."""

    def __init__(
        self, job: Job, model: str, parser: Callable[[], Parser], count: Callable[[str], int] | None = None
    ) -> None:
        """`model` is the name that the service knows it by. `count` says how many tokens a text has; None where the
        model does not reason."""
        self.job = job
        self.model = model
        self._parser = parser
        self._count = count
        self._pieces = Pieces(job.model.piece)

    @property
    def prompt_tokens(self) -> int:
        """How many it has."""
        return len(self.job.work.prompt_tokens)

    @property
    def cached_tokens(self) -> int:
        """Of these, what a template held."""
        return self.job.start.tokens if self.job.start else 0

    def facts(self, end: Done) -> dict[str, Any]:
        """Exact figures, for the caller alone."""
        return self.job.facts(end)

    def logprobs(self, told: Told) -> list[dict[str, Any]]:
        """Of its tokens, as a chat completion tells them; of one choice, in order."""
        found: list[dict[str, Any]] = of_chat(self._pieces.likely(told.logprobs))["content"]
        return found

    async def items(self) -> AsyncIterator[Told | Done]:
        """What each choice says, then its end, one choice after the other. One that calls a tool and was not cut ends
        with "tool_calls". Raises what the job raised."""
        choice = _Choice(self._parser())
        async for item in self.job.items():
            events = choice.read(item)
            if events or not isinstance(item, Done):
                yield Told(item.choice, events, () if isinstance(item, Done) else item.logprobs)
            if isinstance(item, Done):
                yield choice.ended(item, self._count)
                choice = _Choice(self._parser())


class _Choice:
    """What one choice has said so far."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._calls = False
        self._thoughts: list[str] = []

    def read(self, item: Chunk | Done) -> list[Event]:
        """What became certain by a piece of text, or by the end."""
        events = self._parser.finish() if isinstance(item, Done) else self._parser.feed(item.text)
        self._calls = self._calls or any(isinstance(event, CallBegun) for event in events)
        self._thoughts += (event.text for event in events if isinstance(event, Reasoning))
        return events

    def ended(self, done: Done, count: Callable[[str], int] | None) -> Done:
        """The end, with what only the text tells."""
        if count:
            done = replace(done, reasoning_tokens=count("".join(self._thoughts)))
        return replace(done, finish_reason="tool_calls") if self._calls and done.finish_reason == "stop" else done


async def begin_turn(body: ChatRequest, request: Request) -> Turn:
    """Render the model's own chat template, tokenise; nothing is computed before `Turn.items` is asked. A model on
    demand is loaded.

    Raises RequestError for a request that this model cannot answer.
    """
    now = here(request)
    index, loaded = await model_for(body, body.most_tokens, request)
    asked = asked_of(loaded, body)
    now.timeline.reach("template")
    model, manner = loaded.model, asked.manner
    tokens = model.tokenize_prompt(asked.prompt)
    if forgetting := request.scope.get(FORGETS):
        asked, tokens = forgetting.fit(loaded, body, asked, tokens)
        manner = asked.manner
    now.timeline.reach("tokenise")
    work = work_for(body, index, tokens, body.most_tokens, "messages", request)
    work = replace(work, held=asked.held, markers=manner.markers, ends=manner.ends)
    return turn_of(
        now,
        work,
        lambda: manner.family.parser(asked.prompt, asked.tools),
        model.count if manner.family.reasons else None,
    )


async def model_for(body: Generation, most_tokens: int | None, request: Request) -> tuple[int, Loaded]:
    """(index, the model that is asked for), ready to answer with so many tokens."""
    now = here(request)
    now.timeline.reach("request")
    index = now.find_model(body.model)
    options = body.noghost
    seed = seed_of(body) if options.record_seed else None
    room = None if options.capsule else most_tokens
    return index, await loaded_for(request, index, threads=options.threads, seed=seed, most_tokens=room)


def seed_of(body: Generation) -> int:
    """The sampler's; one that the caller leaves to us is chosen once."""
    if body.seed is None:
        body.seed = fresh_seed()
    return body.seed % (2**32 - 1)


def begin_text(now: Here, work: Work) -> Turn:
    """A turn whose answer is content alone."""
    return turn_of(now, work, lambda: PLAIN.parser(""))


def turn_of(now: Here, work: Work, parser: Callable[[], Parser], count: Callable[[str], int] | None = None) -> Turn:
    """The turn that does this work."""
    return Turn(Job(now, work), now.models[work.model].name, parser, count)


def fresh_name() -> str:
    """32 hexadecimal digits that name a part of an answer, such as a call, and say nothing about it."""
    return os.urandom(16).hex()


def work_for(
    body: Generation, model: int, tokens: list[int], max_tokens: int | None, param: str, request: Request
) -> Work:
    """The work that a checked request asks for, its own headers included."""
    commitment, wish = commitment_of(request), wish_of(request.scope, body.noghost.capsule)
    commit_to_answer(here(request).tally, request, is_one_text=body.is_one_text)
    bias = tuple((int(token), value) for token, value in (body.logit_bias or {}).items())
    params = SamplingParams(
        temperature=body.temperature,
        top_k=body.top_k,
        top_p=body.top_p,
        min_p=body.min_p,
        repeat_penalty=body.repeat_penalty,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        seed=seed_of(body),
        logit_bias=bias,
        ignore_eos=body.ignore_eos,
    )
    return Work(
        model,
        tokens,
        params,
        max_tokens,
        body.stops,
        commitment,
        threads=body.noghost.threads,
        record_seed=body.noghost.record_seed,
        param=param,
        wish=wish,
        path=body.noghost.path,
        choices=body.n or 1,
        top_logprobs=body.most_logprobs,
        echo=body.echoed,
    )
