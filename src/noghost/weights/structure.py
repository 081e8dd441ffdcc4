"""The structure of a GGUF file behind its header: metadata, tensor table, and that the data is all there.

Covered: lengths and counts that lead out of the file; unknown types; keys and tensors that are empty or there twice;
shapes that do not fit their type or overflow; tensors that are not aligned or not within the file (a download that was
cut); keys that llama.cpp reads without asking for their type or length.
Not covered: what the values mean together (a block count that the tensors do not bear out). engine/trial.py finds out.

The form is that of ggml's docs/gguf.md; the limits on names and dimensions are those of ggml.h.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import NamedTuple

UINT16, UINT32, INT32, FLOAT32, STRING, ARRAY = 2, 4, 5, 6, 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, UINT32: 4, INT32: 4, FLOAT32: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of a value, in bytes
# Elements and bytes of one block of each tensor type: ggml_blck_size and ggml_type_size.
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18),
}  # fmt: skip  # one line an entry would hide that it is one table
MOST_KEY_BYTES = 65_535
MOST_NAME_BYTES = 63
MOST_DIMENSIONS = 4
DEFAULT_ALIGNMENT = 32
MOST_ALIGNMENT = 1 << 20
MOST_ELEMENTS = 2**63 - 1
TOKENS = "tokenizer.ggml.tokens"
# What llama.cpp takes for granted: (type, whether it is an array of them).
TYPES = {
    "general.architecture": (STRING, False),
    "general.alignment": (UINT32, False),
    "split.count": (UINT16, False),
    "split.no": (UINT16, False),
    "tokenizer.ggml.model": (STRING, False),
    "tokenizer.ggml.pre": (STRING, False),
    TOKENS: (STRING, True),
    "tokenizer.ggml.scores": (FLOAT32, True),
    "tokenizer.ggml.token_type": (INT32, True),
    "tokenizer.ggml.merges": (STRING, True),
    "tokenizer.chat_template": (STRING, False),
}
AS_MANY_AS_TOKENS = ("tokenizer.ggml.scores", "tokenizer.ggml.token_type")
CUT = "download it again"
REMADE = "convert the model again"

U16 = struct.Struct("<H")
U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
# Whole numbers by their type. Signed ones too: converters write some of them where only what is positive has a meaning.
UINTS = {0: struct.Struct("<B"), UINT16: U16, UINT32: U32, INT32: U32, 10: U64, 11: U64}


class BrokenError(Exception):
    """What is wrong with the file, and what to do about it."""

    def __init__(self, what: str, hint: str = REMADE) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class CutError(BrokenError):
    """The bytes end before the structure does: the file is cut, or more of it has to be read."""

    def __init__(self, what: str) -> None:
        super().__init__(what, CUT)


class Value(NamedTuple):
    """What is kept of one metadata value: its type, or that of its elements; how many; where the first stands."""

    kind: int
    array: bool
    length: int
    at: int


class Pair(NamedTuple):
    """A value, and where its pair begins and ends in the file."""

    value: Value
    begin: int
    end: int


class Tensor(NamedTuple):
    """A line of the tensor table: where it begins, where its offset stands (8 bytes, at its end), what it says."""

    begin: int
    offset_at: int
    elements: int
    size_bytes: int
    offset: int  # from the start of the tensors' data


class Structure(NamedTuple):
    """What stands before the tensors' data, and where that begins."""

    pairs: dict[str, Pair]
    tensors: list[Tensor]
    alignment: int
    data_at: int


@dataclass(slots=True)
class Reader:
    """A position in the file; every step says what it was about to read."""

    data: memoryview
    at: int

    def number(self, form: struct.Struct, what: str) -> int:
        """One unsigned number."""
        at = self.at
        self.skip(form.size, what)
        found: int = form.unpack_from(self.data, at)[0]
        return found

    def text(self, most_bytes: int, what: str) -> str:
        """A string that must be a name: not empty, UTF-8, without a zero byte."""
        length = self.number(U64, what)
        at = self.at
        self.skip(length, what)
        if not 0 < length <= most_bytes:
            raise BrokenError(f"{what} has {length} bytes, not 1 to {most_bytes}")
        try:
            name = str(self.data[at : self.at], "utf-8")
        except UnicodeDecodeError:
            raise BrokenError(f"{what} is not UTF-8") from None
        if "\0" in name:
            raise BrokenError(f"{what} holds a zero byte")
        return name

    def skip(self, size_bytes: int, what: str) -> None:
        """Go on by so many bytes."""
        if size_bytes > len(self.data) - self.at:
            raise CutError(f"{what} at byte {self.at} reaches beyond its end")
        self.at += size_bytes

    def skip_strings(self, count: int, what: str) -> None:
        """Go on by so many strings: a vocabulary has hundreds of thousands, so this loop is all in here."""
        at, end, length_at = self.at, len(self.data), U64.unpack_from
        for _ in range(count):
            if end - at < U64.size:
                break
            at += U64.size + length_at(self.data, at)[0]
        else:
            self.skip(at - self.at, what)
            return
        raise CutError(f"{what} at byte {self.at} reaches beyond its end")


def read_structure(data: memoryview, at: int, tensors: int, pairs: int, size_bytes: int | None = None) -> Structure:
    """Walk from `at`, the end of the header, to the end of the tensor table. Raises BrokenError.

    `size_bytes`: of the file, where `data` is only its beginning; CutError then says that more of it is needed.
    """
    reader = Reader(data, at)
    found = read_pairs(reader, pairs)
    values = {key: pair.value for key, pair in found.items()}
    check_values(values)
    alignment = read_alignment(data, values)
    table = read_tensors(reader, tensors, alignment)
    data_at = padded(reader.at, alignment)
    reach = data_at + max((tensor.offset + tensor.size_bytes for tensor in table), default=0)
    there = len(data) if size_bytes is None else size_bytes
    if reach > there:
        raise BrokenError(f"it has {there} bytes, and its tensors reach to {reach}", CUT)
    return Structure(found, table, alignment, data_at)


def padded(size: int, alignment: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // alignment) * alignment


def read_pairs(reader: Reader, count: int) -> dict[str, Pair]:
    """Every key with what is kept of its value."""
    pairs: dict[str, Pair] = {}
    for number in range(count):
        begin = reader.at
        key = reader.text(MOST_KEY_BYTES, f"metadata key {number}")
        if key in pairs:
            raise BrokenError(f"metadata key {number} is there twice")
        value = read_value(reader, f"metadata value {number}")
        pairs[key] = Pair(value, begin, reader.at)
    return pairs


def read_value(reader: Reader, what: str) -> Value:
    """One value, skipped."""
    kind, count = reader.number(U32, what), 1
    array = kind == ARRAY
    if array:
        kind, count = reader.number(U32, what), reader.number(U64, what)
    value = Value(kind, array, count, reader.at)
    if kind == STRING:
        reader.skip_strings(count, what)
    elif kind in SIZES:
        reader.skip(count * SIZES[kind], what)
    else:
        raise BrokenError(f"{what} has the unknown type {kind}")
    return value


def check_values(values: dict[str, Value]) -> None:
    """The keys that llama.cpp takes for granted."""
    for key, expected in TYPES.items():
        value = values.get(key)
        if value and (value.kind, value.array) != expected:
            raise BrokenError(f"its metadata key {key} has the wrong type")
    tokens = values[TOKENS].length if TOKENS in values else 0
    for key in AS_MANY_AS_TOKENS:
        if key in values and values[key].length < tokens:
            raise BrokenError(f"its metadata key {key} has {values[key].length} entries for {tokens} tokens")


def read_alignment(data: memoryview, values: dict[str, Value]) -> int:
    """Of the tensors' data, in bytes: a power of two."""
    if "general.alignment" not in values:
        return DEFAULT_ALIGNMENT
    alignment: int = U32.unpack_from(data, values["general.alignment"].at)[0]
    if not 0 < alignment <= MOST_ALIGNMENT or alignment & (alignment - 1):
        raise BrokenError(f"its alignment is {alignment}")
    return alignment


def read_tensors(reader: Reader, count: int, alignment: int) -> list[Tensor]:
    """The tensor table."""
    names: set[str] = set()
    tensors = []
    for number in range(count):
        what, begin = f"tensor {number}", reader.at
        name = reader.text(MOST_NAME_BYTES, what)
        if name in names:
            raise BrokenError(f"{what} has a name that is there twice")
        names.add(name)
        elements, size_bytes = read_size(reader, what)
        offset_at = reader.at
        offset = reader.number(U64, what)
        if offset % alignment:
            raise BrokenError(f"{what} is not aligned to {alignment} bytes")
        tensors.append(Tensor(begin, offset_at, elements, size_bytes, offset))
    return tensors


def read_size(reader: Reader, what: str) -> tuple[int, int]:
    """A tensor's shape and type, as its elements and its size in bytes."""
    dimensions = reader.number(U32, what)
    if not 0 < dimensions <= MOST_DIMENSIONS:
        raise BrokenError(f"{what} has {dimensions} dimensions")
    shape = [reader.number(U64, what) for _ in range(dimensions)]
    elements = math.prod(shape)
    if not 0 < elements <= MOST_ELEMENTS:
        raise BrokenError(f"{what} has {elements} elements")
    block = BLOCKS.get(kind := reader.number(U32, what))
    if block is None or shape[0] % block[0]:
        raise BrokenError(f"{what} has the unknown type {kind}, or rows that do not fit it")
    return elements, elements // block[0] * block[1]
