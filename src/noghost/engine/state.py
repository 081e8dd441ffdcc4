"""What `llama_state_seq_get_data` writes, taken and given back, and its whole structure. In an instance.

llama.cpp's parser of a state believes its counts. Whoever has a capsule's key can seal anything, so each byte that is
not a K or V value is compared here with the only one that this build would have written, before C sees any of it.
Layout: llama-kv-cache.cpp, `state_write_meta` and `state_write_data`, for one stream whose V is not transposed.

Covered: every count, position, sequence, type, row size and the length; values that are not finite, which a sampler's
sort would not survive. Not covered: K and V that belong to other tokens: they change the answers of whoever made them.
A model with another kind of memory (sliding windows, recurrent layers, transposed V) has no capsules.
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from noghost.engine.context import Context
from noghost.engine.llama import C
from noghost.engine.model import Model
from noghost.engine.origin import Origin, malformed, mismatch
from noghost.errors import EngineError, RequestError

SEQUENCE = 0
EMPTY_BYTES = 16  # two words of the format, the number of streams, the number of cells
CELL = struct.Struct("<iIi")  # position, number of sequences, the sequence
KIND = struct.Struct("<II")  # V transposed, layers
ROWS = struct.Struct("<iQ")  # ggml type, bytes of a token's row
CHECKED_BYTES = 1 << 20
# 1 for the upper byte of a half-precision value whose exponent is all ones: infinite, or not a number.
NOT_FINITE = bytes(int(byte & 0x7C == 0x7C) for byte in range(256))


@dataclass(frozen=True, slots=True)
class StateShape:
    """All that decides about the structure of a state besides its number of tokens."""

    head: bytes  # 12 bytes: how a state of this build begins, before the number of cells
    layers: int
    type: int  # of K and V, enum ggml_type; half precision
    k_row_bytes: int
    v_row_bytes: int

    @property
    def token_bytes(self) -> int:
        """What each token adds to a state."""
        return CELL.size + self.layers * (self.k_row_bytes + self.v_row_bytes)

    def size(self, tokens: int) -> int:
        """The length of a state."""
        return EMPTY_BYTES + KIND.size + 2 * self.layers * ROWS.size + tokens * self.token_bytes

    def check(self, state: memoryview, tokens: int, *, finite: bool = True) -> None:
        """Raise RequestError `capsule_malformed` for anything that this build would not have written; without
        `finite`, whatever the values are."""
        if len(state) != self.size(tokens):
            raise malformed("its state has another length than its tokens need")
        at = 0
        for fixed, free_bytes in self._parts(tokens):
            if state[at : at + len(fixed)] != fixed:
                raise malformed("its state has another structure")
            at += len(fixed)
            if finite:
                check_finite(state[at : at + free_bytes])
            at += free_bytes

    def _parts(self, tokens: int) -> Iterator[tuple[bytes, int]]:
        """(bytes that are given, how many values in bytes come after them), in order."""
        cells = array("i", (word for position in range(tokens) for word in (position, 1, SEQUENCE)))
        yield self.head + struct.pack("<I", tokens) + cells.tobytes() + KIND.pack(0, self.layers), 0
        for row_bytes in [self.k_row_bytes] * self.layers + [self.v_row_bytes] * self.layers:
            yield ROWS.pack(self.type, row_bytes), tokens * row_bytes


def check_finite(values: memoryview) -> None:
    """Raise RequestError for a half-precision value that is infinite or not a number. 550 MB/s here."""
    for start in range(0, len(values), CHECKED_BYTES):
        if 1 in values[start : start + CHECKED_BYTES].tobytes()[1::2].translate(NOT_FINITE):
            raise malformed("its state holds a value that is not finite")


def shape_of(model: Model, ctx: Context) -> StateShape | None:
    """The shape for this model and context; None where states have another layout. In the warden, or anywhere."""
    if model.has_other_memory or not ctx.flash_attention:
        return None
    empty = read_state(ctx) if not ctx.position else bytearray()
    if len(empty) != EMPTY_BYTES:
        return None
    half = 2  # bytes of a value
    k_bytes, v_bytes = (half * model.n_head_kv * width for width in model.head_widths)
    return StateShape(bytes(empty[:12]), model.n_layer, C.GGML_TYPE_F16, k_bytes, v_bytes)


def origin_of(model: Model, ctx: Context, weights: str, build: str) -> Origin:
    """What a state that is taken here depends on; the digests are hexadecimal."""
    return Origin(
        bytes.fromhex(weights),
        bytes.fromhex(build),
        C.GGML_TYPE_F16,
        C.GGML_TYPE_F16,
        int(ctx.flash_attention),
        int(model.n_ctx_original is not None and ctx.n_ctx > model.n_ctx_original),
    )


def capture(ctx: Context, shape: StateShape, token_count: int) -> memoryview:
    """The state of the first `token_count` tokens; the others are forgotten. In the compute thread, at the end.

    Raises EngineError if the build writes something else than `shape` says: nobody could give that back.
    """
    if not ctx.keep_first(token_count):
        raise EngineError("llama.cpp could not forget the end of a state")
    state = memoryview(read_state(ctx))
    try:
        shape.check(state, token_count, finite=False)
    except RequestError:  # its words are for a caller's capsule
        raise EngineError("llama.cpp wrote a state of another structure than expected") from None
    return state


def restore(ctx: Context, shape: StateShape, token_count: int, state: memoryview, kept: int) -> None:
    """Give `state`, which is of `token_count` tokens, to a context, and keep the first `kept` of them.

    Raises RequestError for a state with another structure, or one that llama.cpp refuses.
    """
    shape.check(state, token_count)
    whole = (ctypes.c_uint8 * len(state)).from_buffer(state)
    if not ctx.keep_first(0) or C.llama_state_seq_set_data(ctx.handle, whole, len(state), SEQUENCE) != len(state):
        raise mismatch("a context that it does not fit")
    if not ctx.keep_first(kept):
        raise EngineError("llama.cpp could not forget the end of a state")


def read_state(ctx: Context) -> bytearray:
    """The state as this build writes it."""
    size = int(C.llama_state_seq_get_size(ctx.handle, SEQUENCE))
    data = bytearray(size)
    whole = (ctypes.c_uint8 * size).from_buffer(data)
    if C.llama_state_seq_get_data(ctx.handle, whole, size, SEQUENCE) != size:
        raise EngineError("llama.cpp could not write its state")
    return data


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for index, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return index
    return min(len(one), len(other))
