"""What stands between two texts: the prompt of a model that was trained to fill a gap. PURE, in an instance."""

from __future__ import annotations

from noghost.engine.llama import C
from noghost.engine.model import Model
from noghost.errors import RequestError

CANNOT = "this model has no fill-in-the-middle tokens; leave suffix out, or choose a model that was trained with them"


def tokens_between(model: Model, before: str, after: str) -> list[int]:
    """The prompt whose answer stands between them: prefix, suffix, middle, in the order of llama-server's /infill.

    Raises RequestError for a model that has no tokens for these three.
    """
    kinds = (C.llama_vocab_fim_pre, C.llama_vocab_fim_suf, C.llama_vocab_fim_mid)
    prefix, suffix, middle = (int(kind(model.vocab)) for kind in kinds)
    if min(prefix, suffix, middle) < 0:
        raise RequestError(CANNOT, code="unsupported_parameter", param="suffix")
    opening = [C.llama_vocab_bos(model.vocab)] if model.add_bos else []
    texts = [model.tokenize(text, add_special=False, parse_special=False) for text in (before, after)]
    return [*opening, prefix, *texts[0], suffix, *texts[1], middle]
