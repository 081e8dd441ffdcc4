"""One llama_context: the KV cache and the compute buffers of one invocation.

Made in the warden, before fork, and never decoded there; an instance inherits it by copy-on-write, starts
its threads in `start_threads` and decodes; one that loads its own model makes it itself. What that takes, bench/cold.py
measures (the step `context`).

Covered: the warden has no thread; the KV buffer, which llama.cpp clears to zero, costs the warden nothing
after `release_zero_pages`.
Not covered: what a decode leaves in these buffers. The reaper wipes that.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from noghost.engine import llama, pages
from noghost.engine.batches import BATCH_TOKENS, TILE_TOKENS, batches_of
from noghost.engine.llama import C, set_fields
from noghost.engine.model import Model
from noghost.errors import EngineError

BESIDE_TOKENS = 64  # of a template's expressions; its own words are counted by their bytes
POLL_NEVER = 0  # ggml.h: 0 is no polling, 100 aggressive polling


class Context:
    """A context of `n_ctx` tokens (llama.cpp rounds it up; the property says to what).

    Raises EngineError if llama.cpp refuses. It is never freed: it ends with its process.
    """

    def __init__(
        self,
        model: Model,
        n_ctx: int,
        *,
        releasable: bool = True,
        beside_others: bool = False,
        flash_attention: bool = True,
    ) -> None:
        """Make it in this process: in the warden before fork, or in an `ask`; not `releasable` in a confined instance,
        which cannot look at its own mappings and gives nothing back; `beside_others` where another thread may map
        memory of its own meanwhile; without `flash_attention`, the same sums in another order."""
        new = partial(_new, model, n_ctx, flash_attention)
        made = pages.mapped_during(new) if releasable else (new(), [])
        (self.handle, self.parameters), self._new_memory = made
        self.n_ctx: int = C.llama_n_ctx(self.handle)
        self.n_batch: int = C.llama_n_ubatch(self.handle)
        self._beside_others = beside_others
        self._in_batches = model.is_causal
        self._threadpool = 0
        self._max_threads = 1

    @property
    def position(self) -> int:
        """How many tokens the KV cache holds: the position that the next one gets."""
        return int(C.llama_memory_seq_pos_max(C.llama_get_memory(self.handle), 0)) + 1

    @property
    def flash_attention(self) -> bool:
        """It is on for certain, so that rows of V lie as rows of K do."""
        return f"flash_attention={C.LLAMA_FLASH_ATTN_TYPE_ENABLED} " in self.parameters

    def release_zero_pages(self) -> int:
        """Give back what llama.cpp only cleared; return how many bytes. In the warden, at once.

        Raises EngineError once something was decoded, or with a second thread.
        """
        if self.position:
            raise EngineError("refused to release the pages of a context that is in use")
        ranges = pages.zero_blocks(self._new_memory) if self._beside_others else self._new_memory
        return pages.release_zero_pages(ranges)

    def save(self) -> bytes:
        """The KV state of all that was decoded, as llama.cpp writes it. Raises EngineError if it does not."""
        size = C.llama_state_seq_get_size(self.handle, 0)
        buffer = (ctypes.c_uint8 * size)()
        if C.llama_state_seq_get_data(self.handle, buffer, size, 0) != size:
            raise EngineError("llama.cpp failed to save a KV state")
        return bytes(buffer)

    def restore(self, state: bytes, token_count: int) -> None:
        """Put a KV state of `save` into a new context: in the warden, or a short template in an instance.

        llama.cpp's parser does not check `state`: its digest must have been verified. Raises EngineError if it is
        refused, or is not of `token_count` tokens.
        """
        buffer = ctypes.cast(ctypes.c_char_p(state), ctypes.POINTER(ctypes.c_uint8))
        read = C.llama_state_seq_set_data(self.handle, buffer, len(state), 0)
        if read != len(state) or self.position != token_count:
            raise EngineError("llama.cpp refused a KV state")

    def hold_in_file(self, descriptor: int) -> int:
        """Have the file system hold what was restored, in an empty file; return how many bytes. In the warden.

        Copy-on-write goes on as before, in this process and its children. Raises OSError when it cannot be written,
        EngineError with a second thread.
        """
        return pages.hold_in_file(self._new_memory, descriptor)

    def keep_first(self, token_count: int) -> bool:
        """Forget all tokens but the first `token_count`; False where the model cannot. In an instance, which keeps
        the bytes that they left until it is wiped."""
        return token_count == self.position or bool(
            C.llama_memory_seq_rm(C.llama_get_memory(self.handle), 0, token_count, -1)
        )

    def start_threads(self, max_threads: int) -> None:
        """Start the compute threads. In an instance, after fork, once; they live until `_exit`.

        They do not poll between decodes. The calling thread of `decode` is one of the `max_threads`.
        Raises EngineError if they cannot be had, or already run.
        """
        if self._threadpool:
            raise EngineError("the compute threads already run")
        if not 1 <= max_threads <= llama.GGML_MAX_N_THREADS:
            raise EngineError(f"could not start {max_threads} compute threads", "use at least one")
        params = llama.threadpool_params_default(max_threads)
        set_fields(params, poll=POLL_NEVER, prio=llama.GGML_SCHED_PRIO_NORMAL, strict_cpu=False, paused=False)
        self._threadpool = llama.threadpool_new(ctypes.byref(params)) or 0
        if not self._threadpool:
            raise EngineError(f"could not start {max_threads} compute threads")
        self._max_threads = max_threads
        llama.attach_threadpool(self.handle, self._threadpool, self._threadpool)

    def set_threads(self, count: int) -> None:
        """Compute the next decodes with `count` threads, at least 1 and at most those that were started."""
        count = max(1, min(count, self._max_threads))
        C.llama_set_n_threads(self.handle, count, count)

    def decode(self, tokens: Sequence[int], start_pos: int) -> None:
        """Compute `tokens`, whose first one has the position `start_pos`, in their batches.

        Afterwards the logits of the last token can be sampled. The GIL is released meanwhile.
        Raises EngineError if they do not fit, do not follow what the cache holds, or llama.cpp fails.
        """
        if start_pos != self.position:
            raise EngineError(f"could not decode at position {start_pos}: the cache holds {self.position}")
        if start_pos + len(tokens) > self.n_ctx:
            raise EngineError(f"could not decode {len(tokens)} tokens at {start_pos} of {self.n_ctx}")
        for begin, end in self.batches(len(tokens)):
            self._decode_batch(tokens[begin:end])

    def batches(self, count: int) -> Iterator[tuple[int, int]]:
        """Yield (begin, end) of each batch of so many tokens, none of which would be divided again; one where every
        token looks at every other."""
        yield from batches_of(0, 0, count, first=BATCH_TOKENS) if self._in_batches else ((0, count),)

    def give_all(self, on: bool) -> None:
        """From now on each decode gives logits and last hidden state of all its tokens, or of the last one alone."""
        C.llama_set_embeddings(self.handle, on)

    def _decode_batch(self, tokens: Sequence[int]) -> None:
        array = (C.llama_token * len(tokens))(*tokens)
        status = C.llama_decode(self.handle, C.llama_batch_get_one(array, len(tokens)))
        if status != 0:  # llama.h: 1 no room, 2 aborted, -1 invalid batch, below that fatal
            raise EngineError(f"llama.cpp failed to decode {len(tokens)} tokens (status {status})")


@dataclass(frozen=True, slots=True)
class Room:
    """How large a context is to be: at most so many tokens.

    `asked`: bytes of the messages and tokens of the answer, where they are known already: the context is no larger
    than these can need, and is made that much faster.
    """

    context_tokens: int
    asked: int | None = None

    def of(self, model: Model) -> int:
        """The tokens of a context of this model, which knows no more than it was trained on."""
        tokens = self.context_tokens
        # A token is at least a byte. Of a context that was made longer, the size is in the answer.
        if self.asked is not None and model.n_ctx_original is None:
            tokens = min(tokens, self.asked + len((model.chat_template or "").encode()) + BESIDE_TOKENS)
        return min(tokens, model.n_ctx_train)


def _new(model: Model, n_ctx: int, wanted: bool) -> tuple[int, str]:
    """Make the llama_context, with flash attention on unless the model refuses it, or off; say what its KV state
    depends on."""
    on = (C.LLAMA_FLASH_ATTN_TYPE_ENABLED, C.LLAMA_FLASH_ATTN_TYPE_AUTO)
    for flash_attention in on if wanted else (C.LLAMA_FLASH_ATTN_TYPE_DISABLED,):
        handle = C.llama_init_from_model(model.handle, _params(model, n_ctx, flash_attention))
        if handle:
            weights = " repacked" if model.repacked else ""
            return int(handle), f"kv=f16,f16 flash_attention={flash_attention} tile={TILE_TOKENS}{weights}"
    raise EngineError(f"could not make a context of {n_ctx} tokens", "use a smaller context")


def _params(model: Model, n_ctx: int, flash_attention: int) -> Any:
    params = C.llama_context_default_params()
    batch_tokens = BATCH_TOKENS if model.is_causal else n_ctx
    set_fields(
        params,
        n_ctx=n_ctx,
        n_batch=batch_tokens,
        n_ubatch=batch_tokens,
        pooling_type=C.LLAMA_POOLING_TYPE_NONE,  # embed.py pools
        n_threads=1,
        n_threads_batch=1,
        flash_attn_type=flash_attention,
        type_k=C.GGML_TYPE_F16,
        type_v=C.GGML_TYPE_F16,
        no_perf=True,
        offload_kqv=False,
        op_offload=False,
    )
    return params
