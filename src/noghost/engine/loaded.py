"""A model ready for use: weights mapped, a context, the chat template compiled.

In the warden, before any fork, for all instances to inherit; or in the one instance that loads it for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context, Room
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

    def settle(self) -> None:
        """What can wait until nobody does: give back what llama.cpp only cleared of the context, and find the tokens
        that end an answer, which not every instance should look for. In the warden, once."""
        self.context.release_zero_pages()
        len(self.model.eog_tokens)

    def start(self, prompt: Sequence[int]) -> Start:
        """Where to begin computing `prompt`: with the longest prefix held that it begins with. In an instance."""
        return longest(self.model, self.prefixes, prompt, self.context) or Start(self.context)


def load(path: Path, context_tokens: int, *, repack: bool = False) -> Loaded:
    """Load a file and make it ready. `repack`: as prepared files are (weights/prepared.py). Raises WeightsError or
    EngineError."""
    model = Model.load(path, repack=repack)
    return made_ready(model, Context(model, Room(context_tokens).of(model)))


def made_ready(model: Model, context: Context) -> Loaded:
    """What an instance needs of a model, with a context that is new. Raises EngineError."""
    context.release_zero_pages()
    return around(model, context)


def load_stream(stream: int, path: Path, context_tokens: int, *, asked: int | None, repack: bool) -> Loaded:
    """The same in a confined instance, from a `FILE *` at its beginning. Raises WeightsError or EngineError."""
    model = Model.load_stream(stream, path, repack=repack)
    return around(model, Context(model, Room(context_tokens, asked).of(model), releasable=False))


def around(model: Model, context: Context) -> Loaded:
    """The whole of it. Raises EngineError for a chat template that is none."""
    template = ChatTemplate(model.chat_template, model.bos, model.eos)
    return Loaded(model, context, template, shape_of(model, context))
