"""A template: a public prefix whose KV state the warden holds, and what of a prompt starts from it.

Made in the warden, before fork, from a state that another process computed; an instance inherits all of them by
copy-on-write and chooses one. What it decodes after it is its own: nothing is ever added to the warden's.

A long one is held in a context of its own, so that an instance copies nothing of it. A short one, of fewer than 64
tokens, is held as its state, which an instance loads into the context that it has: 1.5 MB of the default model at most,
where a context would cost every start the time to make it.

Covered: an instance writes to its own copies of pages; a prompt starts from a prefix only if its own tokens begin
with it, and then its answer has the same bytes (batches.py).
Not covered: that a caller's prompt begins with a template shows in the time of its first token, to that caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from noghost.engine.batches import cut_of, start_in
from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.model import Model

# What users' messages may begin with: a token that one of these changes is not the template's.
PROBES = ("a", "Z", "7", "\n", " b", "Ü", "(")


@dataclass(frozen=True, slots=True)
class Prefix:
    """One template: its name, its digest (of model, build, parameters and tokens; hex), its tokens, and their state: in
    a context of its own, or as `Context.save` gave it."""

    name: str
    digest: str
    tokens: tuple[int, ...]
    context: Context | None
    state: bytes = field(default=b"", repr=False)

    def open_in(self, context: Context) -> Context:
        """What holds it: its own context, or that one, in which nothing was computed yet. Raises EngineError."""
        if self.context is None:
            context.restore(self.state, len(self.tokens))
        return self.context or context


@dataclass(frozen=True, slots=True)
class Start:
    """Where a prompt begins to be computed: a context that holds its first `tokens`."""

    context: Context
    prefix: Prefix | None = None
    tokens: int = 0


def tokens_of(
    model: Model, template: ChatTemplate, system: str | None, tools: Sequence[Mapping[str, Any]] | None
) -> list[int]:
    """The tokens that every prompt with this system message, or without one, and these tools begins with. Raises as
    `render` does."""
    said = [] if system is None else [{"role": "system", "content": system}]

    def rendered() -> Iterator[list[int]]:
        for probe in PROBES:
            messages = [*said, {"role": "user", "content": probe}]
            yield model.tokenize_prompt(template.render(messages, tools=tools))

    shared: list[int] = []
    for tokens in zip(*rendered(), strict=False):
        if len(set(tokens)) > 1:
            break
        shared.append(tokens[0])
    return shared


def longest(model: Model, prefixes: Sequence[Prefix], prompt: Sequence[int], context: Context) -> Start | None:
    """The prefix that saves most of `prompt`, cut back to what it can start from; None where none does. `context` is
    one in which nothing was computed yet. Raises EngineError."""
    matching = [one for one in prefixes if tuple(prompt[: len(one.tokens)]) == one.tokens]
    if not matching:
        return None
    cut = cut_of(prompt, model.is_control)
    usable, best = max(
        ((start_in(len(one.tokens), cut, len(prompt)), one) for one in matching), key=lambda pair: pair[0]
    )
    if usable <= 0:
        return None
    held = best.open_in(context)
    if not held.keep_first(usable):
        return None
    return Start(held, best, usable)
