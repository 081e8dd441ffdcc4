"""Which of the files of a repository is meant: by its name, or by its quantisation. PURE.

    FILE       a path in the repository, or the last part of one; any part of a split model means all of it
    QUANT      the type at the end of a file's name, such as Q4_K_M; UD-Q4_K_M is another, and is meant by Q4_K_M only
               where that is not there
    nothing    the only model that is there

What means none, or several, is an error that lists what there is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NoReturn

from noghost.errors import WeightsError
from noghost.weights.names import shown

WEIGHTS = ".gguf"
QUANT = re.compile(r"(?:^|[-._/])((?:UD-)?(?:[IT]?Q\d\w*|BF16|F16|F32|MXFP4\w*|NVFP4))$", re.IGNORECASE)
PART = re.compile(r"-(\d{5})-of-(\d{5})$")
DYNAMIC = "UD-"
NO_MODEL = re.compile(r"mmproj|imatrix", re.IGNORECASE)  # of these names, what is a GGUF file and no language model
MOST_LISTED = 40


@dataclass(frozen=True, slots=True)
class File:
    """One file as the hub lists it; `sha256` is None where it is not in large file storage."""

    path: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model: one file, or all parts of it in their order."""

    stem: str  # without folder, suffix and number of a part
    quant: str | None  # upper case
    files: tuple[File, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)

    def is_called(self, name: str) -> bool:
        """Whether one of its files has that path, or that last part of a path."""
        return any(file.path == name or PurePosixPath(file.path).name == name for file in self.files)


def choose(files: Sequence[File], what: str | None) -> Candidate:
    """The model that is meant by FILE, QUANT or nothing. Raises WeightsError."""
    there = candidates(files)
    if what and what.lower().endswith(WEIGHTS):
        found = [one for one in there if one.is_called(what)]
    else:
        there = models(files)
        found = of_quant(there, what.upper()) if what else there
    if len(found) != 1:
        refuse(what, found, there)
    check_parts(found[0])
    return found[0]


def refuse(what: str | None, found: Sequence[Candidate], there: Sequence[Candidate]) -> NoReturn:
    """Raise WeightsError: none is meant, or several."""
    if found:
        message = f"{what} means {len(found)} models there, not one" if what else f"there are {len(found)} models there"
        raise WeightsError(message, f"take one of: {listed(found)}")
    hint = f"take one of: {listed(there)}" if there else "choose a repository with GGUF files"
    raise WeightsError(f"there is no model {what} there" if what else "there is no model there", hint)


def of_quant(found: Sequence[Candidate], quant: str) -> list[Candidate]:
    """Those of exactly that type; where there is none, those of its dynamic form."""
    exact = [one for one in found if one.quant == quant]
    return exact or [one for one in found if one.quant == DYNAMIC + quant]


def models(files: Sequence[File]) -> list[Candidate]:
    """The language models among the files."""
    return [one for one in candidates(files) if not NO_MODEL.search(one.stem)]


def candidates(files: Sequence[File]) -> list[Candidate]:
    """The models among the files, parts of one brought together."""
    together: dict[tuple[str, str], list[File]] = {}
    for file in sorted(files, key=lambda file: file.path):
        if file.path.lower().endswith(WEIGHTS):
            stem = file.path[: -len(WEIGHTS)]
            part = PART.search(stem)
            together.setdefault((PART.sub("", stem), part[2] if part else ""), []).append(file)
    return [candidate(whole, parts) for (whole, _count), parts in together.items()]


def candidate(whole: str, parts: Sequence[File]) -> Candidate:
    """One model; its type stands in its name, or in that of its folder."""
    path = PurePosixPath(whole)
    found = QUANT.search(path.name) or QUANT.search(str(path.parent))
    return Candidate(path.name, found[1].upper() if found else None, tuple(parts))


def check_parts(one: Candidate) -> None:
    """Raise WeightsError unless every part is there."""
    numbers = [PART.search(file.path[: -len(WEIGHTS)]) for file in one.files]
    said = [(int(found[1]), int(found[2])) for found in numbers if found]
    if said and said != [(number, len(one.files)) for number in range(1, len(one.files) + 1)]:
        raise WeightsError(
            f"parts of the model {shown(one.stem)} are missing there", "choose another file or repository"
        )


def listed(found: Sequence[Candidate]) -> str:
    """Their types where these are enough to tell them apart, else their files; with sizes."""
    lines = [f"{name} ({one.size_bytes / 1e9:.1f} GB)" for one, name in zip(found, names_of(found), strict=True)]
    return ", ".join(map(shown, lines[:MOST_LISTED])) + (", …" if len(lines) > MOST_LISTED else "")


def names_of(found: Sequence[Candidate]) -> list[str]:
    """What means each of them in a repository: its type where these are enough to tell them apart, else its file."""
    quants = [one.quant for one in found if one.quant]
    by_quant = len(set(quants)) == len(found)
    return [one.quant if by_quant and one.quant else one.files[0].path for one in found]
