"""The weights of one model, mapped from their file, and its vocabulary.

In the warden, before fork (or in an `ask`); the children inherit it. Or in an instance, which loads it for itself
(dormant.py). The file's pages are shared and read-only.
A file that was prepared is repacked when it is loaded, which is faster to compute with. That makes new memory of
it: private to the warden, until `hold_in_file` leaves it to the file system.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import compress, repeat
from pathlib import Path
from typing import Any

from noghost.engine import pages
from noghost.engine.llama import C, collected_errors, set_fields, start_backend
from noghost.errors import EngineError, RequestError, WeightsError

PIECE_BYTES = 128  # longer than nearly every token's text; `piece` asks again for the others
MAX_TOKENS = 1 << 24


class Model:
    """A loaded model. It is never freed: it ends with its process."""

    def __init__(self, path: Path, handle: int, *, repacked: bool = False) -> None:
        """Read the facts of the model behind `handle`. Use `load`."""
        self.path = path
        self.handle = handle
        self.repacked = repacked
        self._new_memory: list[pages.Range] = []
        self.vocab: int = C.llama_model_get_vocab(handle)
        self.n_ctx_train: int = C.llama_model_n_ctx_train(handle)
        self.n_vocab: int = C.llama_vocab_n_tokens(self.vocab)
        self.n_layer: int = C.llama_model_n_layer(handle)
        self.n_head_kv: int = C.llama_model_n_head_kv(handle)
        self.n_embd: int = C.llama_model_n_embd_out(handle)
        # Of an encoder (BERT and its kin) every token looks at every other: it embeds texts and answers none.
        self.is_causal = self._text("attention.causal") != "false"
        self.pooling = self._number("pooling_type")  # enum llama_pooling_type of llama.h, where the GGUF names one
        self.license = _metadata(handle, "general.license") or None
        self.description = _description(handle)
        self.add_bos: bool = C.llama_vocab_get_add_bos(self.vocab)
        self.add_eos: bool = C.llama_vocab_get_add_eos(self.vocab)
        self.bos = self._special_text(C.llama_vocab_bos(self.vocab))
        self.eos = self._special_text(C.llama_vocab_eos(self.vocab))
        self.suppressed_tokens = _suppressed(self.vocab)

    @classmethod
    def load(cls, path: str | Path, *, repack: bool = False) -> Model:
        """Map a GGUF file, and repack what of it this processor has a faster form for, if that is wanted.

        The two compute with other roundings. Raises WeightsError, with the path, if llama.cpp refuses it.

        Check the file with `weights.gguf.check_gguf` first: llama.cpp's parser is C++ code.
        """
        path = Path(path)
        start_backend()
        handle, new_memory = pages.mapped_during(lambda: load_handle(path, repack))
        model = cls.at(path, handle, repack=repack)
        model._new_memory = new_memory
        return model

    @classmethod
    def load_stream(cls, stream: int, path: Path, *, repack: bool = False) -> Model:
        """The same from a C `FILE *`, which is read and whose descriptor is mapped; `path` is for errors alone. In a
        confined instance: what llama.cpp says stays unheard, since a callback takes memory that can be executed."""
        handle = C.llama_model_load_from_file_ptr(stream, _params(repack))
        if not handle:
            raise WeightsError(f"could not load the model {path}", "give instances more memory: --limit memory_bytes")
        return cls(path, handle, repacked=repack)

    @classmethod
    def at(cls, path: Path, handle: int | None, *, repack: bool = False) -> Model:
        """The one behind a handle of `load_handle`; WeightsError, with llama.cpp's reason, where there is none."""
        if not handle:
            with collected_errors() as errors:
                load_handle(path, repack)
            reason = f": {errors[0]}" if errors else ""
            raise WeightsError(f"could not load the model {path}{reason}", "check that the file is a complete GGUF")
        return cls(path, handle, repacked=repack)

    def hold_in_file(self, descriptor: int) -> int:
        """Have the file system hold what loading made of the file, in an empty one; return how many bytes.

        In the warden, once. Nothing writes there: measured, no page of it became a child's own. Raises OSError when
        it cannot be written, EngineError with a second thread.
        """
        return pages.hold_in_file(self._new_memory, descriptor)

    @cached_property
    def eog_tokens(self) -> tuple[int, ...]:
        """The tokens that end a generation. A service asks for them in the warden: a call for each token there is."""
        tokens = range(self.n_vocab)
        return tuple(compress(tokens, map(C.llama_vocab_is_eog, repeat(self.vocab), tokens)))

    @property
    def chat_template(self) -> str | None:
        """The Jinja source that the GGUF holds, or None."""
        source: bytes | None = C.llama_model_chat_template(self.handle, None)
        return source.decode("utf-8", "replace") if source else None

    @property
    def has_other_memory(self) -> bool:
        """Its memory is not one plain KV cache: sliding windows, recurrent layers, an encoder."""
        handle = self.handle
        kinds = (C.llama_model_is_recurrent, C.llama_model_is_hybrid, C.llama_model_has_encoder)
        return C.llama_model_n_swa(handle) > 0 or any(kind(handle) for kind in kinds)

    @property
    def head_widths(self) -> tuple[int, int]:
        """Values of one head's K and V: GGUF's `attention.key_length` and `value_length`, or an even share."""
        even = C.llama_model_n_embd(self.handle) // max(1, C.llama_model_n_head(self.handle))
        return self._number("attention.key_length") or even, self._number("attention.value_length") or even

    @property
    def n_ctx_original(self) -> int | None:
        """The context that it was first trained on, where the GGUF says that it was made longer."""
        return self._number("rope.scaling.original_context_length")

    def _number(self, name: str) -> int | None:
        """A number of the GGUF's metadata, under the architecture's own name; None where there is none."""
        value = self._text(name)
        return int(value) if value.isdecimal() else None

    def _text(self, name: str) -> str:
        """The same as text; empty where there is none."""
        return _metadata(self.handle, f"{_metadata(self.handle, 'general.architecture')}.{name}")

    def has(self, tokens: Sequence[int]) -> bool:
        """Whether all of these are ids of its vocabulary: llama.cpp does not survive others."""
        return not tokens or (min(tokens) >= 0 and max(tokens) < self.n_vocab)

    @property
    def facts(self) -> dict[str, int]:
        """Sizes of it, as llama-server calls them; `size` is that of its tensors in bytes."""
        return {
            "vocab_type": C.llama_vocab_type(self.vocab),
            "n_vocab": self.n_vocab,
            "n_ctx_train": self.n_ctx_train,
            "n_embd": self.n_embd,
            "n_params": C.llama_model_n_params(self.handle),
            "size": C.llama_model_size(self.handle),
        }

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Return the token ids of `text`.

        `add_special` adds BOS and EOS where the GGUF says so; `parse_special` reads `<|…|>` as control
        tokens. Raises RequestError if the text is not Unicode, EngineError if it is too long to count.
        """
        data = _utf8(text)
        room = len(data) + 2  # enough for a token a byte, BOS and EOS; else llama.cpp says what is
        for _attempt in range(2):
            tokens = (C.llama_token * room)()
            count = C.llama_tokenize(self.vocab, data, len(data), tokens, room, add_special, parse_special)
            if count >= 0:
                return list(tokens[:count])
            room = min(-count, MAX_TOKENS)
        raise EngineError("llama.cpp could not tokenize the text")

    def count(self, text: str) -> int:
        """Return how many tokens a piece of an answer has, by itself."""
        return len(self.tokenize(text, add_special=False, parse_special=False))

    def tokenize_prompt(self, rendered: str) -> list[int]:
        """Return the token ids of a rendered chat template, BOS and EOS as the GGUF says and never twice.

        Not covered: a message that spells a control token is read as one, as in llama-server.
        """
        if self.add_bos and self.bos:
            rendered = rendered.removeprefix(self.bos)
        if self.add_eos and self.eos:
            rendered = rendered.removesuffix(self.eos)
        return self.tokenize(rendered, add_special=True, parse_special=True)

    def piece(self, token: int, special: bool = False) -> bytes:
        """Return the bytes of one token (perhaps part of a UTF-8 character); of a control token b"" unless
        `special`."""
        size = PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = C.llama_token_to_piece(self.vocab, token, buffer, size, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def control_tokens(self, texts: Iterable[str]) -> frozenset[int]:
        """Return the control tokens that are spelled as one of `texts`."""
        spelled = (self.tokenize(text, add_special=False, parse_special=True) for text in texts)
        return frozenset(tokens[0] for tokens in spelled if len(tokens) == 1 and self.is_control(tokens[0]))

    def is_eog(self, token: int) -> bool:
        """Tell whether `token` ends a generation (end of text, of turn, of message)."""
        return bool(C.llama_vocab_is_eog(self.vocab, token))

    def is_control(self, token: int) -> bool:
        """Tell whether `token` is a control token, such as the end of a message."""
        return bool(C.llama_vocab_is_control(self.vocab, token))

    def _special_text(self, token: int) -> str:
        return "" if token < 0 else self.piece(token, special=True).decode("utf-8", "replace")


def load_handle(path: Path, repack: bool) -> int | None:
    """One call of C, without a word of it being logged; None where llama.cpp refuses the file."""
    handle: int | None = C.llama_model_load_from_file(str(path).encode(), _params(repack))
    return handle


def _params(repack: bool) -> Any:
    params = C.llama_model_default_params()
    set_fields(
        params,
        n_gpu_layers=0,
        load_mode=C.LLAMA_LOAD_MODE_MMAP,
        use_extra_bufts=repack,
        check_tensors=False,
    )
    return params


def _description(handle: int) -> str:
    buffer = ctypes.create_string_buffer(128)
    C.llama_model_desc(handle, buffer, len(buffer))
    return buffer.value.decode("utf-8", "replace")


def _metadata(handle: int, key: str) -> str:
    """A value of the GGUF's metadata as text; empty where there is none."""
    buffer = ctypes.create_string_buffer(128)
    found = C.llama_model_meta_val_str(handle, key.encode(), buffer, len(buffer)) >= 0
    return buffer.value.decode("utf-8", "replace") if found else ""


def _suppressed(vocab: int) -> tuple[int, ...]:
    """The tokens that the GGUF forbids (`tokenizer.ggml.suppress_tokens`)."""
    count = ctypes.c_int32(0)
    tokens = C.llama_vocab_get_suppress_tokens(vocab, ctypes.byref(count))
    return tuple(tokens[: count.value]) if count.value > 0 else ()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # from None: the exception holds the text
        raise RequestError("the text holds half of a surrogate pair, which is not Unicode") from None
