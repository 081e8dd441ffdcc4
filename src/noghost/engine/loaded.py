"""A model ready for use: weights mapped, a context, the chat template compiled.

In the warden, before any fork, for all instances to inherit; or in the one instance that loads it for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.families.manner import Manners, manners_of
from noghost.engine.model import Model
from noghost.engine.prefix import Prefix, Start, longest
from noghost.engine.state import StateShape, shape_of


@dataclass(frozen=True, slots=True)
class Loaded:
    """Made before any fork, to be inherited by copy-on-write; or by an instance for itself."""

    model: Model
    context: Context
    template: ChatTemplate
    shape: StateShape | None = None  # of its states; None: they have another layout, and this model no capsules
    prefixes: tuple[Prefix, ...] = ()
    manners: Manners = field(init=False)  # how it answers; looked for here, once

    def __post_init__(self) -> None:
        object.__setattr__(self, "manners", manners_of(self.template.source, self.model))

    def start(self, prompt: Sequence[int]) -> Start:
        """Where to begin computing `prompt`: with the longest prefix held that it begins with. In an instance."""
        return longest(self.model, self.prefixes, prompt) or Start(self.context)


BESIDE_TOKENS = 64  # of a template's expressions; its own words are counted by their bytes


def load(path: Path, context_tokens: int, *, repack: bool = False) -> Loaded:
    """Load a file and make it ready. `repack`: as prepared files are (weights/prepared.py). Raises WeightsError or
    EngineError."""
    return made_ready(Model.load(path, repack=repack), context_tokens)


def made_ready(model: Model, context_tokens: int, *, asked: int | None = None) -> Loaded:
    """What an instance needs of a model, for at most `context_tokens` of context (fewer where it was trained on fewer).

    `asked`: bytes of the messages and tokens of the answer, where they are known already: the context is no larger
    than these can need, and is made that much faster. Raises EngineError.
    """
    context = Context(model, room_of(model, context_tokens, asked))
    context.release_zero_pages()
    return around(model, context)


def load_stream(stream: int, path: Path, context_tokens: int, *, asked: int | None, repack: bool) -> Loaded:
    """The same in a confined instance, from a `FILE *` at its beginning. Raises WeightsError or EngineError."""
    model = Model.load_stream(stream, path, repack=repack)
    return around(model, Context(model, room_of(model, context_tokens, asked), releasable=False))


def around(model: Model, context: Context) -> Loaded:
    """The whole of it. Raises EngineError for a chat template that is none."""
    template = ChatTemplate(model.chat_template, model.bos, model.eos)
    return Loaded(model, context, template, shape_of(model, context))


def room_of(model: Model, context_tokens: int, asked: int | None) -> int:
    """The tokens of the context."""
    if asked is not None and model.n_ctx_original is None:  # a token is at least a byte; else the size is in the answer
        context_tokens = min(context_tokens, asked + len((model.chat_template or "").encode()) + BESIDE_TOKENS)
    return min(context_tokens, model.n_ctx_train)
