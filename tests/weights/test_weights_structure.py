"""Behind the header: what llama.cpp must never see is refused, with the reason."""

from __future__ import annotations

import ctypes
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.tiny_gguf import ARRAY, F32, I32, PAIRS, STRING, TENSORS, U32, U64, Pair, Tensor, Tiny, text
from noghost.engine.llama import C
from noghost.errors import WeightsError
from noghost.weights.gguf import check_gguf
from noghost.weights.structure import BLOCKS

GOOD = Tiny()
COUNT = len(PAIRS)


class Raw(Pair):
    """A pair whose value is written as it stands, its type before it."""

    def render(self) -> bytes:
        assert isinstance(self.value, bytes)
        return text(self.key) + self.value


def with_raw(value: bytes) -> bytes:
    return replace(GOOD, pairs=(*PAIRS, Raw(b"x", 0, value))).render()


def with_shape(*shape: int, kind: int = 0, offset: int | None = None) -> bytes:
    return GOOD.with_tensor(0, Tensor(TENSORS[0].name, shape, kind, offset)).render()


BAD = {
    "a key of no bytes": (GOOD.with_pair(b"", U32, 1).render(), f"metadata key {COUNT} has 0 bytes"),
    "a key of 70,000 bytes": (GOOD.with_pair(b"a" * 70_000, U32, 1).render(), "has 70000 bytes"),
    "a key that is not UTF-8": (GOOD.with_pair(b"\xff", U32, 1).render(), f"metadata key {COUNT} is not UTF-8"),
    "a key with a zero byte": (GOOD.with_pair(b"a\0", U32, 1).render(), "holds a zero byte"),
    "a key that is there twice": (replace(GOOD, pairs=(*PAIRS, PAIRS[0])).render(), f"metadata key {COUNT} is there"),
    "an unknown type": (with_raw(struct.pack("<I", 13)), f"metadata value {COUNT} has the unknown type 13"),
    "an array of arrays": (with_raw(struct.pack("<IIQ", ARRAY, ARRAY, 1)), "unknown type 9"),
    "a string beyond the end": (with_raw(struct.pack("<IQ", STRING, 2**63)), "reaches beyond its end"),
    "strings beyond the end": (with_raw(struct.pack("<IIQ", ARRAY, STRING, 2**64 - 1)), "reaches beyond its end"),
    "numbers beyond the end": (with_raw(struct.pack("<IIQ", ARRAY, U64, 2**61)), "reaches beyond its end"),
    "an architecture that is a number": (GOOD.with_pair(b"general.architecture", U32, 1).render(), "wrong type"),
    "tokens that are numbers": (GOOD.with_pair(b"tokenizer.ggml.tokens", U32, [1], array=True).render(), "wrong type"),
    "one score": (GOOD.with_pair(b"tokenizer.ggml.scores", F32, [0.0], array=True).render(), "has 1 entries for 260"),
    "one kind": (GOOD.with_pair(b"tokenizer.ggml.token_type", I32, [1], array=True).render(), "1 entries for 260"),
    "an alignment of 0": (GOOD.with_pair(b"general.alignment", U32, 0).render(), "its alignment is 0"),
    "an alignment of 24": (GOOD.with_pair(b"general.alignment", U32, 24).render(), "its alignment is 24"),
    "an alignment of 2 GiB": (GOOD.with_pair(b"general.alignment", U32, 2**31).render(), "its alignment is 2147483648"),
    "a tensor's name of 64 bytes": (GOOD.with_tensor(0, Tensor(b"x" * 64, (32,))).render(), "tensor 0 has 64 bytes"),
    "a tensor that is there twice": (GOOD.with_tensor(1, TENSORS[0]).render(), "tensor 1 has a name that is there"),
    "no dimension": (with_shape(), "tensor 0 has 0 dimensions"),
    "five dimensions": (with_shape(32, 1, 1, 1, 1), "tensor 0 has 5 dimensions"),
    "no element": (with_shape(32, 0), "tensor 0 has 0 elements"),
    "elements that overflow": (with_shape(2**32, 2**32), "tensor 0 has 18446744073709551616 elements"),
    "a type that was removed": (with_shape(32, kind=4), "the unknown type 4"),
    "a type that nobody knows": (with_shape(32, kind=99), "the unknown type 99"),
    "rows that do not fit their type": (with_shape(48, kind=2), "rows that do not fit"),
    "an offset that is not aligned": (with_shape(32, offset=8), "tensor 0 is not aligned to 32 bytes"),
    "data beyond the end": (with_shape(32, offset=2**40), "its tensors reach to 1099511"),
    "a download that was cut": (GOOD.render()[:-1], "its tensors reach to"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_broken_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    data, reason = BAD[name]
    path = tmp_path / "bad.gguf"
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        check_gguf(path)
    assert caught.value.message.startswith(f"could not use the model {path}: ")
    assert reason in caught.value.message
    assert caught.value.hint


def test_other_alignments_and_version_2_pass(tmp_path: Path) -> None:
    path = tmp_path / "good.gguf"
    for model in (GOOD, replace(GOOD, version=2), aligned(16), aligned(4096)):
        path.write_bytes(model.render())
        check_gguf(path)


def aligned(alignment: int) -> Tiny:
    model = GOOD.with_pair(b"general.alignment", U32, alignment)
    return replace(model, alignment=alignment, data_bytes=256 * 1024)


def test_the_tensor_types_are_those_of_the_library() -> None:
    C._lib.ggml_blck_size.restype = ctypes.c_int64
    C._lib.ggml_type_size.restype = ctypes.c_size_t
    types = {kind: (C._lib.ggml_blck_size(kind), C._lib.ggml_type_size(kind)) for kind in range(C.GGML_TYPE_COUNT)}
    assert {kind: block for kind, block in types.items() if block[0]} == BLOCKS
