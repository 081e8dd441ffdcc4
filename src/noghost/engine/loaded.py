"""A model ready for use: weights mapped, a context, the chat template compiled.

In the warden, before any fork, for all instances to inherit; or in the one instance that loads it for itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.families.manner import Manners, manners_of
from noghost.engine.model import Model
from noghost.engine.prefix import Prefix, Start, longest
from noghost.engine.state import StateShape, shape_of
from noghost.errors import WeightsError


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


def load(
    path: Path, context_tokens: int, *, asked: int | None = None, repack: bool = False, hold_in: Path | None = None
) -> Loaded:
    """Load for contexts of at most `context_tokens` (fewer where the model was trained on fewer).

    `asked`: bytes of the messages and tokens of the answer, where they are known already: the context is no larger
    than these can need, and is made that much faster.
    `repack`: as prepared files are (weights/prepared.py). `hold_in`: the folder for a file without a name that holds
    what repacking made, so that it is no private memory. Raises WeightsError or EngineError.
    """
    model = Model.load(path, repack=repack)
    if hold_in is not None:
        hold(model, hold_in)
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


def hold(model: Model, folder: Path) -> None:
    """Leave repacked weights to a file without a name in `folder`. Raises WeightsError."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            model.hold_in_file(file.fileno())
    except OSError as error:
        raise WeightsError(
            f"could not hold the repacked model {model.path}: {error.strerror}",
            f"free as much in {folder} as the model is large, or serve the model that it was made of",
        ) from error
