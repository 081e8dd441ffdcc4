"""The default model with a few of its layers: the whole is too slow for software emulation.

What it says is nonsense; its vocabulary, its template and the way of every byte through the program are the same.
GGUF: github.com/ggml-org/ggml, docs/gguf.md.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

LAYERS = (0, 1, 2, 3, 27, 28, 29)  # of 30; with fewer it says the same words again and again
ALIGNMENT_BYTES = 32  # GGUF's default; the default model names no other
FIXED_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
UINT32, STRING, ARRAY = 4, 8, 9


@dataclass
class Reader:
    """A place in a file's bytes."""

    data: bytes
    at: int = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize(form)
        return int(value)

    def text(self) -> str:
        length = self.number("Q")
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def skip_value(self, kind: int) -> None:
        if kind == STRING:
            self.text()
        elif kind == ARRAY:
            inner, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.skip_value(inner)
        else:
            self.at += FIXED_BYTES[kind]


@dataclass(frozen=True)
class Tensor:
    """One entry of the list: name, shape and kind as they stand, and where its data lie."""

    name: str
    shape: bytes
    offset_bytes: int


def shorten(source: Path, target: Path, layers: Sequence[int] = LAYERS) -> Path:
    """Write the model of `source` with these layers alone to `target`."""
    reader = Reader(source.read_bytes())
    reader.at = 8
    tensor_count, value_count = reader.number("Q"), reader.number("Q")
    values = with_layers(reader, value_count, len(layers))
    tensors = [tensor(reader) for _ in range(tensor_count)]
    data = reader.data[aligned(reader.at) :]
    offsets = [*sorted(one.offset_bytes for one in tensors), len(data)]
    following = dict(pairwise(offsets))
    header, body = b"", b""
    kept = [(name, one) for one in tensors if (name := new_name(one.name, layers))]
    for name, one in kept:
        header += struct.pack("<Q", len(name)) + name.encode() + one.shape + struct.pack("<Q", len(body))
        part = data[one.offset_bytes : following[one.offset_bytes]]
        body += part.ljust(aligned(len(part)), b"\0")
    begin = reader.data[:8] + struct.pack("<QQ", len(kept), value_count) + values + header
    target.write_bytes(begin.ljust(aligned(len(begin)), b"\0") + body)
    return target


def new_name(name: str, layers: Sequence[int]) -> str | None:
    """The name of a tensor whose layer stays, counted anew; None for one that goes."""
    found = re.fullmatch(r"blk\.(\d+)\.(.*)", name)
    if not found:
        return name
    return f"blk.{layers.index(int(found[1]))}.{found[2]}" if int(found[1]) in layers else None


def with_layers(reader: Reader, count: int, layers: int) -> bytes:
    """The key-value part, with another number of layers."""
    start, values = reader.at, bytearray()
    for _ in range(count):
        key, kind = reader.text(), reader.number("I")
        if key.endswith(".block_count") and kind == UINT32:
            values += reader.data[start : reader.at] + struct.pack("<I", layers)
            start = reader.at + 4
        reader.skip_value(kind)
    return bytes(values + reader.data[start : reader.at])


def tensor(reader: Reader) -> Tensor:
    """The next entry of the list."""
    name, start = reader.text(), reader.at
    dimensions = reader.number("I")
    reader.at += 8 * dimensions + 4
    shape = reader.data[start : reader.at]
    return Tensor(name, shape, reader.number("Q"))


def aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
