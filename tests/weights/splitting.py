"""Split a tiny model as llama.cpp's gguf-split does: the metadata in the first part, the tensors in the others."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from fuzz.tiny_gguf import I32, TENSORS, U16, Pair, Tensor, Tiny

DATA_BYTES = sum(tensor.size_bytes for tensor in TENSORS)  # each is a multiple of the alignment


def whole_file() -> bytes:
    """A tiny model whose every byte of data is its own."""
    return Tiny().render()[:-DATA_BYTES] + random.Random(7).randbytes(DATA_BYTES)


def split_files(count: int) -> list[bytes]:
    """The same model in parts."""
    data = whole_file()[-DATA_BYTES:]
    files = [replace(Tiny(), pairs=(*Tiny().pairs, *marks(0, count)), tensors=(), data_bytes=0).render()]
    for number in range(1, count):
        tensors = TENSORS[share(number - 1, count - 1) : share(number, count - 1)]
        begin = sum(tensor.size_bytes for tensor in TENSORS[: share(number - 1, count - 1)])
        files.append(part(tensors, data[begin:], number, count))
    return files


def share(number: int, of: int) -> int:
    """Where the tensors of a part begin."""
    return len(TENSORS) * number // of


def part(tensors: Sequence[Tensor], data: bytes, number: int, count: int) -> bytes:
    """One part with its tensors; `data` begins with theirs."""
    size = sum(tensor.size_bytes for tensor in tensors)
    return replace(Tiny(), pairs=marks(number, count), tensors=tuple(tensors), data_bytes=0).render() + data[:size]


def marks(number: int, count: int) -> tuple[Pair, ...]:
    """What says that a file is a part, and of what."""
    return (
        Pair(b"split.no", U16, number),
        Pair(b"split.count", U16, count),
        Pair(b"split.tensors.count", I32, len(TENSORS)),
    )
