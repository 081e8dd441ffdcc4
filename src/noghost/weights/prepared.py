"""Models that `noghost models prepare` made, AT REST: a file and what is known of it, by name.

    $XDG_DATA_HOME/noghost/models/NAME.gguf      mode 0600, in a folder of mode 0700
    $XDG_DATA_HOME/noghost/models/NAME.json      of what it was made, its own SHA-256, and what was measured

Covered: a prepared file is pinned by the digest that it had when it was made (digest.py verifies).
Not covered: who can write files as this user can write both.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noghost.config import data_dir
from noghost.errors import WeightsError
from noghost.ledger.files import FILE_MODE, make_directory, sync_directory
from noghost.weights.file import WeightsFile, again
from noghost.weights.names import ABOUT, check_name, is_name, known, names_in, plain, write_about

WEIGHTS, UNFINISHED = ".gguf", ".part"
LOCK = "preparing"  # empty; whoever prepares holds it
MOST_DIVERGENCE = 2.0  # times that of the same file, computed in another order: Q8_0 has 1.5, Q4_0 79
MOST_ERRORS = 3.0  # of the perplexity's change: less is no change that could be told
LEAST_DECODE = 0.9  # of the speed that the source has
# A type at the end of a file's name, as converters write it: it is replaced by the new one.
TYPE = re.compile(r"[._-](i?q\d[a-z0-9_]*|t?q\d_\d|b?f16|f32|mxfp4)$")


@dataclass(frozen=True, slots=True)
class Prepared:
    """One of them. Digests in hex; `measured` as engine/comparison.py gives it."""

    name: str
    source: str  # the name of the model that it was made of
    source_sha256: str
    sha256: str
    kind: str  # the type of its weights
    build: str  # the engine that made and measured it
    measured: dict[str, Any]

    @property
    def path(self) -> Path:
        """Where its weights lie."""
        return path_of(self.name)

    @property
    def file(self) -> WeightsFile:
        """Its weights, for whoever serves them. Raises WeightsError where they are gone."""
        if not self.path.is_file():
            raise WeightsError(f"the weights of the prepared model {self.name} are gone", again(self.name))
        return WeightsFile(
            self.path,
            self.name,
            self.sha256,
            prepared=True,
            source=self.source,
            source_sha256=self.source_sha256,
            vouched=True,
        )

    @property
    def is_better(self) -> bool:
        """Whether it loses nothing that can be told, and is faster."""
        return self.keeps_quality and self.is_faster

    @property
    def keeps_quality(self) -> bool:
        """Whether what it predicts is at most MOST_DIVERGENCE times as far from its source's predictions as these are
        from themselves when their sums are rounded otherwise. False where that was not measured."""
        found = self.measured
        try:
            change = abs(found["perplexity_ratio"] - 1) / found["perplexity_ratio_error"]
            divergence = found["divergence"] / found["divergence_again"]
        except (KeyError, TypeError, ZeroDivisionError):
            return False
        return bool(divergence <= MOST_DIVERGENCE and change <= MOST_ERRORS)

    @property
    def speedup(self) -> tuple[float, float]:
        """How many times as fast as its source it prefills, and decodes, by what was measured."""
        before, after = self.measured["source"], self.measured["prepared"]
        prefill, decode = (after[key] / before[key] for key in ("prefill_tok_s", "decode_tok_s"))
        return prefill, decode

    @property
    def is_faster(self) -> bool:
        """Whether it prefills faster, and decodes as fast or nearly so, by what was measured."""
        try:
            prefill, decode = self.speedup
        except (KeyError, TypeError, ZeroDivisionError):
            return False
        return bool(prefill > 1 and decode >= LEAST_DECODE)

    @property
    def size_bytes(self) -> int:
        """Of its weights; 0 where they are not there."""
        return self.path.stat().st_size if self.path.is_file() else 0


def folder() -> Path:
    """Where all of them lie."""
    return data_dir() / "models"


def path_of(name: str) -> Path:
    """Where the weights of that name lie, or would. Raises WeightsError for what is no name."""
    check_name(name)
    return folder() / f"{name}{WEIGHTS}"


def name_for(source: str, kind: str) -> str:
    """`my-model.q8_0` prepared as Q4_0 is `my-model.q4_0`."""
    return f"{plain(TYPE.sub('', source.lower()))}.{kind.lower()}"


def unfinished(name: str) -> Path:
    """Where the weights are written until they are complete, in a folder that is there. Raises WeightsError."""
    path = path_of(name)
    _make_folder()
    return path.with_name(path.name + UNFINISHED)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Only one process makes one: two would write to one file, and slow each other down while they are measured. Raises
    WeightsError where another does. A process that is killed lets go."""
    _make_folder()
    try:
        descriptor = os.open(folder() / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise _unwritable(error) from error
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def add(made: Prepared) -> None:
    """Put what is complete in its place, and in that of another of this name. Raises WeightsError.

    What is known of the old one goes first: a crash leaves none, or the whole of one.
    """
    try:
        _about(made.name).unlink(missing_ok=True)
        unfinished(made.name).replace(made.path)
        sync_directory(folder())
        write_about(_about(made.name), made)
    except OSError as error:
        raise _unwritable(error) from error


def get(name: str) -> Prepared:
    """The one of that name. Raises WeightsError."""
    path_of(name)
    message = f"could not read what is known of the prepared model {name}"
    unreadable = WeightsError(message, again(name))
    found = known(_about(name), Prepared, name, unreadable)
    if not isinstance(found.measured, dict):
        raise unreadable
    return found


def named(name_or_path: str) -> Prepared | None:
    """The one with that name, or whose file that is; None where it is neither. Raises WeightsError."""
    name = name_or_path.lower()
    if not is_name(name):
        path = Path(name_or_path)
        if path.suffix != WEIGHTS or path.parent.absolute() != folder().absolute():
            return None
        name = path.stem
    return get(name) if is_name(name) and _about(name).is_file() else None


def names() -> list[str]:
    """All names, sorted."""
    return names_in(folder())


def remove(name: str) -> None:
    """Remove its weights and what is known of them, and what a killed `prepare` left. Raises WeightsError, where one is
    at it too."""
    path = path_of(name)
    parts = (_about(name), path, path.with_name(path.name + UNFINISHED))
    if not any(part.is_file() for part in parts):
        get(name)
    with one_at_a_time() if parts[-1].is_file() else nullcontext():
        try:
            for part in parts:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise WeightsError(f"could not remove the prepared model {name}: {error.strerror}") from error


def _about(name: str) -> Path:
    return folder() / f"{name}{ABOUT}"


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        hint = "wait until that is done: both would be measured wrong"
        raise WeightsError("another model is being prepared", hint) from None
    except OSError as error:
        raise _unwritable(error) from error


def _make_folder() -> None:
    try:
        make_directory(folder())
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> WeightsError:
    hint = f"check free space and owner of {folder()}"
    return WeightsError(f"could not keep a prepared model: {error.strerror}", hint)
