"""A model ready for use: weights mapped, a context to inherit, the chat template compiled. In the warden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.model import Model
from noghost.engine.prefix import Prefix, Start, longest
from noghost.engine.state import StateShape, shape_of


@dataclass(frozen=True, slots=True)
class Loaded:
    """Made once before any fork; instances inherit it by copy-on-write."""

    model: Model
    context: Context
    template: ChatTemplate
    shape: StateShape | None = None  # of its states; None: they have another layout, and this model no capsules
    prefixes: tuple[Prefix, ...] = ()

    def start(self, prompt: Sequence[int]) -> Start:
        """Where to begin computing `prompt`: with the longest prefix held that it begins with. In an instance."""
        return longest(self.model, self.prefixes, prompt) or Start(self.context)


BESIDE_TOKENS = 64  # of a template's expressions; its own words are counted by their bytes


def load(path: Path, context_tokens: int, *, asked: int | None = None) -> Loaded:
    """Load for contexts of at most `context_tokens` (fewer where the model was trained on fewer).

    `asked`: bytes of the messages and tokens of the answer, where they are known already: the context is no larger
    than these can need, and is made that much faster (8,192 tokens of the default model: 0.1 s).
    Raises WeightsError or EngineError.
    """
    model = Model.load(path)
    if asked is not None:  # a token is at least a byte
        context_tokens = min(context_tokens, asked + len((model.chat_template or "").encode()) + BESIDE_TOKENS)
    context = Context(model, min(context_tokens, model.n_ctx_train))
    context.release_zero_pages()
    template = ChatTemplate(model.chat_template, model.bos, model.eos)
    return Loaded(model, context, template, shape_of(model, context))
