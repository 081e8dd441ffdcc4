"""Token ids of what was said, from a GGUF's vocabulary or from the server's own `/tokenize`.

A GGUF's vocabulary is read in the hunter's own process, so that no other holds the texts. The server's endpoint
must never see what is hunted, or it would make the copies that are found: it gets the words one at a time in
sorted order, and only if a probe shows that its tokeniser gives the same ids for the words as for the sentence.
"""

from __future__ import annotations

import ctypes
import re
import sys
import types
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx

from noghost.client.hunt.needle import TOKEN_WIDTH_IDS
from noghost.errors import HuntError

# Where byte-pair tokenisers cut before they merge: a word takes the one space before it.
_PIECES = re.compile(r" ?\S+|\s+(?!\S)|\s+")
_PROBE = 'The quiet Fůx, aged 4193, said: "it\'s late"\n\nand  went home.'
_SILENCE = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)


def ids_from_gguf(gguf: Path, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text in the vocabulary of `gguf`; raises HuntError."""
    C = _low_level()  # noqa: N806  the name that llama.cpp code gives this module
    C.llama_log_set(_SILENCE, None)
    parameters = C.llama_model_default_params()
    parameters.vocab_only = True
    model = C.llama_model_load_from_file(str(gguf).encode(), parameters)
    if not model:
        raise HuntError(f"could not read the vocabulary of {gguf}", "give --tokenizer the GGUF that is served")
    vocab = C.llama_model_get_vocab(model)
    ids = [_tokens(C, vocab, text.encode()) for text in texts]
    C.llama_model_free(model)
    return ids


def ids_from_server(client: httpx.Client, texts: Sequence[str]) -> list[list[int]] | None:
    """The ids of each text, or None if the server has no `/tokenize` that can be asked word by word."""
    try:
        probe_pieces = _PIECES.findall(_PROBE)
        probe = _ask_each(client, [_PROBE, *sorted(set(probe_pieces))])
        if probe[_PROBE] != [token for piece in probe_pieces for token in probe[piece]]:
            return None
        pieces = [_PIECES.findall(text) for text in texts]
        known = _ask_each(client, sorted({piece for listed in pieces for piece in listed}))
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        return None
    # A word as long as a window would now stand in the server because we asked: the ids end before it.
    usable = [takewhile(lambda piece: len(known[piece]) < TOKEN_WIDTH_IDS, listed) for listed in pieces]
    return [[token for piece in listed for token in known[piece]] for listed in usable]


def _ask_each(client: httpx.Client, pieces: Sequence[str]) -> dict[str, list[int]]:
    answers = {}
    for piece in pieces:
        # One connection each: llama-server closes a kept one after 100 requests, which would read as a fault.
        response = client.post("/tokenize", json={"content": piece}, headers={"Connection": "close"})
        response.raise_for_status()
        answers[piece] = [int(token) for token in response.json()["tokens"]]
    return answers


def _tokens(C: Any, vocab: Any, raw: bytes) -> list[int]:  # noqa: N803  as above
    room = len(raw) + 16
    array = (C.llama_token * room)()
    return list(array[: C.llama_tokenize(vocab, raw, len(raw), array, room, False, False)])


def _low_level() -> Any:  # the ctypes module has no types
    """llama.cpp's C API alone: the package's `__init__` would import numpy and start its threads."""
    if loaded := sys.modules.get("llama_cpp.llama_cpp"):
        return loaded
    spec = find_spec("llama_cpp")
    if spec is None or spec.submodule_search_locations is None:
        raise HuntError("llama.cpp is not installed, so a GGUF's vocabulary cannot be read", "install llama-cpp-python")
    package = types.ModuleType("llama_cpp")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["llama_cpp"] = package
    import llama_cpp.llama_cpp

    return llama_cpp.llama_cpp
