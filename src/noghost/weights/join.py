"""Join the parts of a split model into one file: one file has one digest, is mapped, pinned and recorded as one.

The parts hold the pairs `split.no`, `split.count` and `split.tensors.count` (llama.cpp's tools/gguf-split). The first
has the metadata of all; each has its own tensors. The whole has that metadata, without those pairs, and all tensors.

Covered: parts that do not belong together, or are not all there; what `opened` covers of each.
Not covered: a whole needs as much room again as its parts, until it is complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from noghost.errors import WeightsError
from noghost.weights.gguf import HEADER, MAGIC, opened, parts_of
from noghost.weights.structure import U16, U64, Structure, padded
from noghost.weights.unfinished import Unfinished

CHUNK_BYTES = 1 << 24
SPLIT = "split."
SPLIT_NO = "split.no"
VERSION = 3  # of GGUF, as it is written
Mapped = tuple[memoryview, Structure]


def join(parts: Sequence[Path], whole: Unfinished, advance: Callable[[int], None]) -> str:
    """Write the whole into an empty file; return its SHA-256 in hex. Raises WeightsError."""
    hashed, at = hashlib.sha256(), 0
    with ExitStack() as stack:
        mapped = [stack.enter_context(opened(part, part=True)) for part in parts]
        check_parts(mapped)
        for piece in pieces(mapped):
            hashed.update(piece)
            whole.write(piece, at)
            at += len(piece)
            advance(len(piece))
    return hashed.hexdigest()


def check_parts(mapped: Sequence[Mapped]) -> None:
    """Raise WeightsError unless these are all parts of one model, in their order."""
    for number, (data, structure) in enumerate(mapped):
        pair = structure.pairs.get(SPLIT_NO)
        said = U16.unpack_from(data, pair.value.at)[0] if pair else -1
        if parts_of(data, structure) != len(mapped) or said != number:
            raise WeightsError(
                f"part {number + 1} of {len(mapped)} says that it is {said + 1} of {parts_of(data, structure)}",
                "get all parts of one model, with the names that they were published under",
            )
    if len({structure.alignment for _data, structure in mapped}) > 1:
        raise WeightsError("the parts of the model are aligned differently", "get all parts of one model")


def pieces(mapped: Sequence[Mapped]) -> Iterator[bytes]:
    """The bytes of the whole, in order. Copies: a view that an error keeps would keep the file mapped."""
    yield head(mapped)
    for data, structure in mapped:
        for tensor in structure.tensors:
            begin = structure.data_at + tensor.offset
            end = begin + tensor.size_bytes
            for at in range(begin, end, CHUNK_BYTES):
                yield bytes(data[at : min(end, at + CHUNK_BYTES)])
            yield bytes(padded(tensor.size_bytes, structure.alignment) - tensor.size_bytes)


def head(mapped: Sequence[Mapped]) -> bytes:
    """What stands before the tensors' data."""
    first, structure = mapped[0]
    pairs = [bytes(first[p.begin : p.end]) for key, p in structure.pairs.items() if not key.startswith(SPLIT)]
    lines, offset = [], 0
    for data, part in mapped:
        for tensor in part.tensors:
            lines.append(bytes(data[tensor.begin : tensor.offset_at]) + U64.pack(offset))
            offset += padded(tensor.size_bytes, structure.alignment)
    whole = HEADER.pack(MAGIC, VERSION, len(lines), len(pairs)) + b"".join(pairs) + b"".join(lines)
    return whole + bytes(padded(len(whole), structure.alignment) - len(whole))
