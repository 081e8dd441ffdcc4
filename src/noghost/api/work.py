"""One answer: seat, record, compute, stream, seal. In the instance's compute thread (compute.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from noghost.api.capsule import Kept, Used, Wish, hold, shape_for, take
from noghost.api.compute import Compute, check_threads
from noghost.api.here import Here
from noghost.engine.calls import Calls
from noghost.engine.context import Context
from noghost.engine.generate import Chunk, Done, generate, rewind
from noghost.engine.grammar import Constraint
from noghost.engine.loaded import Loaded
from noghost.engine.logprobs import TokenLogprob, logprobs_of_prompt
from noghost.engine.model import Model
from noghost.engine.prefix import Start
from noghost.engine.sampler import SamplingParams
from noghost.engine.schema import Schema
from noghost.errors import RequestError


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be computed."""

    model: int  # index into the service's models
    prompt_tokens: list[int]
    params: SamplingParams
    max_tokens: int | None
    stops: tuple[str, ...]
    commitment: bytes | None
    threads: int | None  # exactly so many, or as many as are free
    record_seed: bool  # the caller wants the seed in its ledger entry
    param: str  # the field of the request that the prompt came in, for errors
    wish: Wish  # a capsule that is given or wanted
    path: bool = False  # the caller wants to know how long each step took
    choices: int = 1  # answers to the one prompt; the seed of each is one more than that of the one before
    held: Schema | Calls | None = None  # what every choice is held to
    top_logprobs: int | None = None  # the caller wants the tokens' probabilities, and those of so many others
    echo: str | None = None  # the prompt, which the answer begins with; its probabilities too where they are wanted
    markers: Mapping[str, int] = field(default_factory=dict)  # control tokens that are text in the answer
    ends: frozenset[int] = frozenset()  # tokens that end it beside the model's own

    @property
    def looks_at_prompt(self) -> bool:
        """Whether the probabilities of the prompt's tokens are wanted."""
        return self.echo is not None and self.top_logprobs is not None

    def ends_with(self, end: Done) -> bool:
        """Whether no other choice follows this one."""
        return end.choice == self.choices - 1


class Job:
    """Work under way. `items` yields what it makes, and raises what it raised."""

    def __init__(self, here: Here, work: Work) -> None:
        self.start: Start | None = None  # known before the record is opened
        self.prompt_logprobs: tuple[TokenLogprob, ...] = ()  # known before the first item
        self.work = work
        self._here = here
        self._used = Used()
        self._compute: Compute[Chunk | Done | Kept] = Compute(self._sentence)

    @property
    def model(self) -> Model:
        """What computes it."""
        return self._here.models[self.work.model].loaded.model

    async def items(self) -> AsyncIterator[Chunk | Done]:
        """Each piece of text, then the end; of each choice."""
        while True:
            item = await self._compute.next()
            assert not isinstance(item, Kept)
            yield item
            if isinstance(item, Done) and self.work.ends_with(item):
                return

    async def kept(self) -> Kept:
        """The state after all items, where the work's wish is for one."""
        item = await self._compute.next()
        assert isinstance(item, Kept)
        return item

    def _sentence(self) -> Iterator[Chunk | Done | Kept]:
        """Seat and record, compute, and let the last item go only when the record is on the disk."""
        here, work = self._here, self.work
        served = here.models[work.model]
        loaded = served.loaded
        check_threads(here, work.threads)
        shape = shape_for(served, here.limits.capsule_bytes) if work.wish.is_any else None
        given = work.wish.given is not None
        alone = given or work.looks_at_prompt
        self.start = start = Start(loaded.context) if alone else loaded.start(work.prompt_tokens)
        answers = self._answers(loaded, start.context, self._checked(loaded, start.context, work.params))
        here.open(
            work.model,
            work.commitment,
            threads=work.threads,
            template=here.template_number(start.prefix.name) if start.prefix else 0,
            seed=work.params.seed if work.record_seed else None,
        )
        here.tally.prompt_tokens = len(work.prompt_tokens)
        if shape and given:
            self._used = take(work.wish, served, here.build, shape, work.prompt_tokens)
        start.context.start_threads(work.threads or here.most_threads)
        if work.looks_at_prompt:
            self.prompt_logprobs = self._look_at_prompt(loaded)
        before_tokens = 0  # of the choices that are whole
        for item in answers:
            if isinstance(item, Done):
                here.tally.answer_tokens = before_tokens = before_tokens + item.completion_tokens
                here.recorder.sync()
            else:
                here.tally.answer_tokens += item.token_count
            here.timeline.reach("prefill")
            yield item
        if shape and work.wish.wanted:
            yield hold(loaded.model, start.context, shape, work.prompt_tokens, here.limits.capsule_bytes)

    def _answers(self, loaded: Loaded, context: Context, first: Iterator[Chunk | Done]) -> Iterator[Chunk | Done]:
        """Every choice, one after the other."""
        yield from first
        params = self.work.params
        for choice in range(1, self.work.choices):
            rewind(loaded.model, context, self.work.prompt_tokens)
            again = self._checked(loaded, context, replace(params, seed=params.seed + choice))
            yield from (replace(item, choice=choice) for item in again)

    def _look_at_prompt(self, loaded: Loaded) -> tuple[TokenLogprob, ...]:
        """The probabilities of the prompt's own tokens; the context is then as far as the answer's bytes allow."""
        model, tokens = loaded.model, self.work.prompt_tokens
        seen = logprobs_of_prompt(model, loaded.context, tokens, self.work.top_logprobs or 0, self._threads)
        own = tuple(seen)[1 if model.add_bos else 0 :]
        rewind(model, loaded.context, tokens)
        return own

    def _checked(self, loaded: Loaded, context: Context, params: SamplingParams) -> Iterator[Chunk | Done]:
        """The generation, not begun; raises RequestError when it cannot be, naming the request's own field (and not
        repeating its value)."""
        work = self.work
        try:
            return generate(
                loaded.model,
                context,
                work.prompt_tokens,
                params,
                max_tokens=work.max_tokens,
                stops=work.stops,
                threads=self._threads,
                top_logprobs=work.top_logprobs,
                shown=frozenset(work.markers.values()),
                ends=work.ends,
                constraint=Constraint(loaded.model, work.held, work.markers, work.ends) if work.held else None,
            )
        except RequestError as error:
            error.param = work.param if error.param == "messages" else error.param
            if error.code == "invalid_value":
                error.message = f"{error.param} is out of range"
            raise

    def _threads(self) -> int:
        return self.work.threads or self._here.threads()

    def facts(self, done: Done) -> dict[str, Any]:
        """Exact figures, for the caller alone."""
        here, start = self._here, self.start
        return {
            "instance": here.hex,
            "template": start.prefix.name if start and start.prefix else None,
            "prefix_tokens": start.tokens if start else 0,
            "seed": self.work.params.seed,
            "birth_ms": here.timeline.at_ms("confine"),
            "first_token_ms": here.timeline.at_ms("prefill"),
            "prefill_ms": round(done.prefill_s * 1e3, 3),
            "decode_ms": round(done.decode_s * 1e3, 3),
            "tokens_per_second": rate(done.completion_tokens, done.decode_s),
            **({"path_ms": here.timeline.parts_ms()} if self.work.path else {}),
            **self._capsule_facts(),
        }

    def _capsule_facts(self) -> dict[str, Any]:
        """Of a capsule that was given: the prompt's tokens that it spared, and what opening it took."""
        if self.work.wish.given is None:
            return {}
        return {"capsule_tokens": self._used.tokens, "capsule_ms": round(self._used.open_s * 1e3, 3)}


def rate(tokens: int, seconds: float) -> float | None:
    """Tokens a second of decoding; the first token belongs to the prefill."""
    return round((tokens - 1) / seconds, 2) if tokens > 1 and seconds > 0 else None


def usage(done: Done) -> dict[str, Any]:
    """OpenAI's `usage`."""
    details = {"completion_tokens_details": {"reasoning_tokens": done.reasoning_tokens}}
    return {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "total_tokens": done.prompt_tokens + done.completion_tokens,
        **({} if done.reasoning_tokens is None else details),
    }
