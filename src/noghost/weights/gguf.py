"""A look at a GGUF file before llama.cpp's C++ code parses it.

Covered: a missing, unreadable, empty or special file; something that is no GGUF; an unknown version; the
other byte order; counts that the file is too short for; one part of a split model; and what structure.py covers.
Not covered: what the values mean (engine/trial.py); whom the file comes from is what its digest says.

The header is that of ggml's docs/gguf.md: magic, uint32 version, uint64 tensors, uint64 metadata pairs.
"""

from __future__ import annotations

import mmap
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from noghost.errors import WeightsError
from noghost.weights.structure import U16, BrokenError, Structure, read_structure

MAGIC = b"GGUF"
VERSIONS = (2, 3)
HEADER = struct.Struct("<4sIQQ")
# The least that one entry can take: a tensor is a name's length (8 bytes), dimensions (4), type (4) and
# offset (8); a pair is a key's length (8), type (4) and one byte.
TENSOR_BYTES = 24
PAIR_BYTES = 13
SPLIT_NAME = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")
SPLIT_COUNT = "split.count"
IS_PART = "it is one part of a split model"
ADD_PARTS = "join the parts: noghost models add FIRST_PART"


def check_gguf(path: str | Path) -> None:
    """Return if `path` looks like a whole GGUF file; raise WeightsError, which says what is wrong, if not.

    It walks over every token of the vocabulary: 15 ms for 49,152. A file whose digest is known was looked at before.
    """
    path = Path(path)
    check_header(path)
    with opened(path):
        pass


def check_header(path: Path) -> None:
    """The same of its name, its kind of file and its first bytes alone."""
    split = SPLIT_NAME.search(path.name)
    if split and int(split[1]) > 1:
        _refuse(path, IS_PART, ADD_PARTS)
    size_bytes = _size_bytes(path)
    check_first_bytes(path, _read_header(path), size_bytes, 1)


@contextmanager
def opened(path: Path, *, part: bool = False) -> Iterator[tuple[memoryview, Structure]]:
    """A GGUF file mapped, no more of it read than its metadata and its tensor table. Raises WeightsError.

    `part`: it may be one part of a split model, the first of which often has no tensor.
    """
    size_bytes = _size_bytes(path)
    check_first_bytes(path, _read_header(path), size_bytes, 0 if part else 1)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            data = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            _magic, _version, tensors, pairs = HEADER.unpack_from(data)
            view = stack.enter_context(memoryview(data))
            structure = read_structure(view, HEADER.size, tensors, pairs)
            if not part and parts_of(view, structure) > 1:
                _refuse(path, IS_PART, ADD_PARTS)
        except BrokenError as broken:
            _refuse(path, broken.what, broken.hint)
        except (OSError, ValueError, struct.error) as error:  # it became another file, or none, since it was looked at
            _refuse(path, _reason(error), "check the file's permissions", error)
        yield view, structure


def parts_of(data: memoryview, structure: Structure) -> int:
    """Of how many parts this file is one, as it says itself; 0 where it is none."""
    pair = structure.pairs.get(SPLIT_COUNT)
    return int(U16.unpack_from(data, pair.value.at)[0]) if pair else 0


def _size_bytes(path: Path) -> int:
    """Return the size of a regular file. Asked before it is opened: opening a FIFO would wait for ever."""
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        _refuse(path, _reason(error), "check the path, or leave it out to use the default model", error)
    if not stat.S_ISREG(facts.st_mode):
        _refuse(path, "it is not a regular file", "give the path of a .gguf file")
    if facts.st_size == 0:
        _refuse(path, "it is empty", "download it again")
    return facts.st_size


def _read_header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEADER.size)
    except OSError as error:
        _refuse(path, _reason(error), "check the file's permissions", error)


def check_first_bytes(path: str | Path, header: bytes, size_bytes: int, least_tensors: int) -> None:
    """Raise WeightsError unless `header`, the first bytes of a file of that size, are those of a GGUF file."""
    if not header.startswith(MAGIC):
        _refuse(path, "it is not a GGUF file", "convert it with llama.cpp's convert_hf_to_gguf.py")
    if len(header) < HEADER.size:
        _refuse(path, f"it ends after {size_bytes} bytes", "download it again")
    _magic, version, tensors, pairs = HEADER.unpack(header)
    if version & 0xFFFF == 0:
        _refuse(path, "it has the other byte order", "convert it with gguf_convert_endian.py of llama.cpp")
    if version not in VERSIONS:
        _refuse(path, f"it has GGUF version {version}, not 2 or 3", "convert the model again")
    if tensors < least_tensors or tensors * TENSOR_BYTES + pairs * PAIR_BYTES > size_bytes:
        _refuse(
            path, f"it claims {tensors} tensors and {pairs} metadata pairs in {size_bytes} bytes", "download it again"
        )


def _reason(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or "the path is not valid").lower()


def _refuse(path: str | Path, what: str, hint: str, cause: Exception | None = None) -> NoReturn:
    raise WeightsError(f"could not use the model {path}: {what}", hint) from cause
