"""What an answer may be, held to token by token: llguidance's grammars, over the model's own vocabulary.

In an instance, for a caller that asks for it; the warden only imports the library. The vocabulary as a trie is built
for the first answer of a process that is held: in the warden it would be memory that the gap keeps. No thread is
started and no file is opened.
"""

from __future__ import annotations

import ctypes
import json
from array import array
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from noghost.engine.calls import Calls
from noghost.engine.llama import C
from noghost.engine.model import Model
from noghost.engine.rules import Rules
from noghost.engine.schema import Schema
from noghost.errors import EngineError, RequestError

MOST_LEXER_STATES = 50_000  # of 1 to 2 kB each; the library's own 250,000 are half of what an instance may map
# The library says 0 of what is forbidden. A bias of the bytes 00 00 00 ff is -1.7e38, as good as -inf for a logit: one
# byte of each is to be written, not two.
FORBIDDEN = bytes([0xFF, *bytes(255)])


@cache
def trie_of(model: Model) -> LLTokenizer:
    """The vocabulary as the library searches it. A token that shows no text (a control token) is none to it, but for
    those that end a generation."""
    tokenize = ctypes.cast(C._lib.llama_tokenize, ctypes.c_void_p).value
    make: Any = LLTokenizer.from_llamacpp  # type: ignore[attr-defined]  # not in its stubs; its llamacpp.py calls it
    trie: LLTokenizer = make(
        tokens=[model.piece(token) for token in range(model.n_vocab)],
        vocab_ptr=model.vocab,
        tokenize_fptr=tokenize,
        eos_token=list(model.eog_tokens),
        slices=[],
    )
    return trie


class Constraint:
    """One answer's way through a grammar. The sampler asks what the next token may not be, and tells which it was.

    Raises RequestError for what it cannot be held to.
    """

    def __init__(
        self, model: Model, held: Schema | Calls, tokens: Mapping[str, int] | None = None, ends: Iterable[int] = ()
    ) -> None:
        """At the beginning of an answer. `tokens` and `ends` are those of `Rules`."""
        trie = trie_of(model)
        matcher = _begin(trie, held.lark(Rules(tokens, ends)))
        if matcher is None:
            raise held.blame(lambda schema: _begin(trie, json_alone(schema)) is None)
        self._matcher, self._param = matcher, held.param
        memory = bytearray(model.n_vocab * ctypes.sizeof(C.llama_logit_bias))
        memoryview(memory).cast("i")[::2] = array("i", range(model.n_vocab))
        self._biases = (C.llama_logit_bias * model.n_vocab).from_buffer(memory)
        self._highest_bytes = memoryview(memory)[7::8]

    def biases(self) -> Any:
        """A C array of llama_logit_bias, one for each token in order: -1.7e38 where it is forbidden now, else 0.

        It may end only where the grammar may. Raises RequestError when it became too much to follow.
        """
        allowed = self._matcher.compute_logit_bias()
        if self._matcher.is_error():
            raise too_complex(self._param)
        self._highest_bytes[:] = allowed.translate(FORBIDDEN)
        return self._biases

    def accept(self, token: int) -> None:
        """Go on behind `token`. Raises EngineError for one that `biases` forbade, RequestError as `biases` does."""
        if self._biases[token].bias:
            raise EngineError("llama.cpp chose a token that the grammar forbids")
        if not self._matcher.consume_token(token):
            raise too_complex(self._param)


def too_complex(param: str) -> RequestError:
    """The error for a grammar that goes over the library's limits in the midst of an answer."""
    message = "could not go on with this answer: what it is held to takes too much to follow"
    return RequestError(message, code="unsupported_schema", param=param)


def json_alone(schema: str) -> str:
    """The grammar of JSON of a schema as text."""
    rules = Rules()
    return rules.text(rules.json(json.loads(schema)))


def _begin(trie: LLTokenizer, lark: str) -> LLMatcher | None:
    """A matcher for a grammar; None where nothing can begin."""
    limits = LLParserLimits(max_lexer_states=MOST_LEXER_STATES, verbose_errors=False)
    matcher = LLMatcher(trie, LLMatcher.grammar_from_lark(lark), log_level=0, limits=limits)
    matcher.compute_bitmask()  # of a schema that has no end, this alone finds out
    return None if matcher.is_error() else matcher
