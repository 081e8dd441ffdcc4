"""A file that llama.cpp must never see is refused, with its path, what is wrong and a hint."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.tiny_gguf import Tensor, Tiny
from noghost.errors import WeightsError
from noghost.weights.find import find
from noghost.weights.gguf import check_gguf


def header(magic: bytes = b"GGUF", version: int = 3, tensors: int = 1, pairs: int = 1) -> bytes:
    return struct.pack("<4sIQQ", magic, version, tensors, pairs)


BAD = {
    "empty": (b"", "it is empty"),
    "three bytes": (b"GGU", "not a GGUF file"),
    "short": (header()[:20], "it ends after 20 bytes"),
    "magic": (header(magic=b"GGML") + bytes(100), "not a GGUF file"),
    "old version": (header(version=1) + bytes(100), "version 1"),
    "new version": (header(version=4) + bytes(100), "version 4"),
    "big-endian": (struct.pack(">4sIQQ", b"GGUF", 3, 1, 1) + bytes(100), "other byte order"),
    "no tensors": (header(tensors=0) + bytes(100), "0 tensors"),
    "too many tensors": (header(tensors=5) + bytes(100), "5 tensors"),
    "too many pairs": (header(pairs=1 << 60) + bytes(100), "metadata pairs"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_header_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    data, reason = BAD[name]
    path = tmp_path / "bad.gguf"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=reason) as caught:
        check_gguf(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_the_default_model_and_a_minimal_file_pass(tmp_path: Path) -> None:
    check_gguf(find().path)
    path = tmp_path / "least.gguf"
    path.write_bytes(replace(Tiny(), pairs=(), tensors=(Tensor(b"t", (1,)),), data_bytes=4).render())
    check_gguf(path)
    check_gguf(str(path))


def test_a_missing_file_a_directory_and_a_zero_byte_are_refused(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path / "none.gguf", "no such file"),
        (tmp_path, "not a regular file"),
        ("a\0b", "the path is not valid"),
    ):
        with pytest.raises(WeightsError, match=reason):
            check_gguf(path)


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "fifo.gguf"
    os.mkfifo(path)
    with pytest.raises(WeightsError, match="not a regular file"):
        check_gguf(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.gguf"
    path.write_bytes(header() + bytes(100))
    path.chmod(0)
    with pytest.raises(WeightsError, match="permission denied"):
        check_gguf(path)


def test_a_part_of_a_split_model_is_refused_and_a_whole_of_one_part_is_not(tmp_path: Path) -> None:
    data = Tiny().render()
    part, whole = tmp_path / "m-00001-of-00002.gguf", tmp_path / "m-00001-of-00001.gguf"
    part.write_bytes(data)
    whole.write_bytes(data)
    with pytest.raises(WeightsError, match="split model"):
        check_gguf(part)
    check_gguf(whole)
