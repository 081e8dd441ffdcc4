"""A whole model of 60 KB as GGUF, made from lists that a test can change before they are written.

The form is that of ggml's docs/gguf.md.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field, replace

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}
TYPE_F32 = 0
ALIGNMENT = 32
WIDTH = 32  # of an embedding


@dataclass(frozen=True)
class Pair:
    """One metadata pair. An array's `kind` is that of its elements."""

    key: bytes
    kind: int
    value: object
    array: bool = False

    def render(self) -> bytes:
        head = text(self.key)
        if not self.array:
            return head + struct.pack("<I", self.kind) + scalar(self.kind, self.value)
        items = b"".join(scalar(self.kind, item) for item in self.value)  # type: ignore[attr-defined]
        return head + struct.pack("<IIQ", ARRAY, self.kind, len(self.value)) + items  # type: ignore[arg-type]


@dataclass(frozen=True)
class Tensor:
    """One tensor of 32-bit floats, all of them the same."""

    name: bytes
    shape: tuple[int, ...]
    kind: int = TYPE_F32
    offset: int | None = None  # None: where it belongs

    @property
    def size_bytes(self) -> int:
        size = 4
        for length in self.shape:
            size *= length
        return size

    def render(self, offset: int) -> bytes:
        shape = struct.pack(f"<{len(self.shape)}Q", *(length % 2**64 for length in self.shape))
        at = offset if self.offset is None else self.offset
        return text(self.name) + struct.pack("<I", len(self.shape)) + shape + struct.pack("<IQ", self.kind, at % 2**64)


@dataclass(frozen=True)
class Tiny:
    """A model; `render` gives the file."""

    pairs: tuple[Pair, ...] = field(default_factory=lambda: PAIRS)
    tensors: tuple[Tensor, ...] = field(default_factory=lambda: TENSORS)
    version: int = 3
    alignment: int = ALIGNMENT
    data_bytes: int | None = None  # None: as much as the right tensors take
    seed: int | None = None  # of random weights; None: all are the same

    def render(self) -> bytes:
        head = struct.pack("<4sIQQ", b"GGUF", self.version, len(self.tensors), len(self.pairs))
        head += b"".join(pair.render() for pair in self.pairs)
        offset = 0
        for tensor in self.tensors:
            head += tensor.render(offset)
            offset += padded(tensor.size_bytes, self.alignment)
        whole = padded(len(head), self.alignment)
        data_bytes = sum(padded(tensor.size_bytes, ALIGNMENT) for tensor in TENSORS)
        count = (data_bytes if self.data_bytes is None else self.data_bytes) // 4
        return head + bytes(whole - len(head)) + weights(count, self.seed)

    def with_pair(self, key: bytes, kind: int, value: object, array: bool = False) -> Tiny:
        """The same with this pair in the place of the one with its key, or at the end."""
        new = Pair(key, kind, value, array)
        others = [pair for pair in self.pairs if pair.key != key]
        return replace(self, pairs=(*others, new))

    def without(self, key: bytes) -> Tiny:
        """The same without one pair."""
        return replace(self, pairs=tuple(pair for pair in self.pairs if pair.key != key))

    def with_tensor(self, number: int, tensor: Tensor) -> Tiny:
        """The same with another tensor in one place."""
        return replace(self, tensors=(*self.tensors[:number], tensor, *self.tensors[number + 1 :]))


def weights(count: int, seed: int | None) -> bytes:
    """So many 32-bit floats."""
    if seed is None:
        return struct.pack("<f", 0.01) * count
    draw = random.Random(seed)
    return struct.pack(f"<{count}f", *(draw.gauss(0, 0.5) for _ in range(count)))


def text(data: bytes) -> bytes:
    """A GGUF string."""
    return struct.pack("<Q", len(data)) + data


def scalar(kind: int, value: object) -> bytes:
    """One value that is no array."""
    if kind == STRING:
        assert isinstance(value, bytes)
        return text(value)
    return struct.pack(f"<{FORMS[kind]}", value)


def padded(size: int, alignment: int) -> int:
    """The next multiple."""
    return -(-size // alignment) * alignment


def byte_names() -> list[bytes]:
    """GPT-2's printable names of the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    names = {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return [names[byte].encode() for byte in range(256)]


TOKENS = [*byte_names(), b"<|im_start|>", b"<|im_end|>", b"ab", b"abc"]
KINDS = [1] * 256 + [3, 3, 1, 1]  # llama.h: 1 normal, 3 control
TEMPLATE = b"{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}"
PAIRS = (
    Pair(b"general.architecture", STRING, b"llama"),
    Pair(b"general.name", STRING, b"tiny"),
    Pair(b"general.file_type", U32, 0),
    Pair(b"llama.block_count", U32, 1),
    Pair(b"llama.context_length", U32, 64),
    Pair(b"llama.embedding_length", U32, WIDTH),
    Pair(b"llama.feed_forward_length", U32, WIDTH),
    Pair(b"llama.attention.head_count", U32, 1),
    Pair(b"llama.attention.head_count_kv", U32, 1),
    Pair(b"llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
    Pair(b"llama.rope.dimension_count", U32, WIDTH),
    Pair(b"llama.rope.freq_base", F32, 10_000.0),
    Pair(b"llama.vocab_size", U32, len(TOKENS)),
    Pair(b"tokenizer.ggml.model", STRING, b"gpt2"),
    Pair(b"tokenizer.ggml.pre", STRING, b"default"),
    Pair(b"tokenizer.ggml.tokens", STRING, TOKENS, array=True),
    Pair(b"tokenizer.ggml.token_type", I32, KINDS, array=True),
    Pair(b"tokenizer.ggml.merges", STRING, [b"a b", b"ab c"], array=True),
    Pair(b"tokenizer.ggml.bos_token_id", U32, 256),
    Pair(b"tokenizer.ggml.eos_token_id", U32, 257),
    Pair(b"tokenizer.ggml.add_bos_token", BOOL, 0),
    Pair(b"tokenizer.chat_template", STRING, TEMPLATE),
)
TENSORS = (
    Tensor(b"token_embd.weight", (WIDTH, len(TOKENS))),
    Tensor(b"output_norm.weight", (WIDTH,)),
    Tensor(b"blk.0.attn_norm.weight", (WIDTH,)),
    *(Tensor(b"blk.0.attn_%s.weight" % part, (WIDTH, WIDTH)) for part in (b"q", b"k", b"v", b"output")),
    Tensor(b"blk.0.ffn_norm.weight", (WIDTH,)),
    *(Tensor(b"blk.0.ffn_%s.weight" % part, (WIDTH, WIDTH)) for part in (b"gate", b"up", b"down")),
)
