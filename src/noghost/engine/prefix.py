"""A template: a public prefix whose KV state the warden holds, and what of a prompt starts from it.

Made in the warden, before fork, from a state that another process computed; an instance inherits all of them by
copy-on-write and chooses one. What it decodes after it is its own: nothing is ever added to the warden's.

Covered: an instance writes to its own copies of pages; a prompt starts from a prefix only if its own tokens begin
with it, and then its answer has the same bytes (batches.py).
Not covered: that a caller's prompt begins with a template shows in the time of its first token, to that caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noghost.engine.batches import cut_of, start_of
from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.model import Model

# What users' messages may begin with: a token that one of these changes is not the template's.
PROBES = ("a", "Z", "7", "\n", " b", "Ü", "(")


@dataclass(frozen=True, slots=True)
class Prefix:
    """One template: its name, its digest (of model, build, parameters and tokens; hex), its tokens, and their state."""

    name: str
    digest: str
    tokens: tuple[int, ...]
    context: Context


@dataclass(frozen=True, slots=True)
class Start:
    """Where a prompt begins to be computed: a context that holds its first `tokens`."""

    context: Context
    prefix: Prefix | None = None
    tokens: int = 0


def tokens_of(
    model: Model, template: ChatTemplate, system: str, tools: Sequence[Mapping[str, Any]] | None
) -> list[int]:
    """The tokens that every prompt with this system message and these tools begins with. Raises as `render` does."""

    def rendered() -> Iterator[list[int]]:
        for probe in PROBES:
            messages = [{"role": "system", "content": system}, {"role": "user", "content": probe}]
            yield model.tokenize_prompt(template.render(messages, tools=tools))

    shared: list[int] = []
    for tokens in zip(*rendered(), strict=False):
        if len(set(tokens)) > 1:
            break
        shared.append(tokens[0])
    return shared


def longest(model: Model, prefixes: Sequence[Prefix], prompt: Sequence[int]) -> Start | None:
    """The prefix that saves most of `prompt`, cut back to what it can start from; None where none does."""
    matching = [one for one in prefixes if tuple(prompt[: len(one.tokens)]) == one.tokens]
    if not matching:
        return None
    cut = cut_of(prompt, model.is_control)
    usable, best = max(
        ((start_of(len(one.tokens), cut, len(prompt)), one) for one in matching), key=lambda pair: pair[0]
    )
    if usable <= 0 or not best.context.keep_first(usable):
        return None
    return Start(best.context, best, usable)
