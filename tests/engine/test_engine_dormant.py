"""A model that is loaded from an open file: the same states as by its path, by everybody who opened it for himself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from noghost.engine.context import Context
from noghost.engine.dormant import Dormant
from noghost.engine.model import Model
from noghost.errors import WeightsError

TOKENS = list(range(200, 280))  # more than 64: both paths of ggml


def state(context: Context) -> bytes:
    context.start_threads(1)
    context.decode(TOKENS, 0)
    return context.save()


def dormant(path: Path, *, repack: bool = False) -> Dormant:
    return Dormant(path, os.open(path, os.O_RDONLY), 256, repack=repack)


@pytest.mark.slow
@pytest.mark.parametrize("repack", [True, False])
def test_it_computes_as_the_one_that_is_loaded_by_its_path(q4_0: Path, repack: bool) -> None:
    """Control: repacked weights round differently, so that the wrong of the two would be seen."""
    asleep = dormant(q4_0, repack=repack)
    asleep.reopen()
    found = state(asleep.load(None).context)
    assert found == state(Context(Model.load(q4_0, repack=repack), 256))
    assert found != state(Context(Model.load(q4_0, repack=not repack), 256))


def test_each_that_opens_it_again_has_a_place_of_its_own(tmp_path: Path) -> None:
    (path := tmp_path / "model").write_bytes(b"0123456789")
    asleep = dormant(path)
    one, other = asleep.reopen(), asleep.reopen()
    assert os.read(one, 4) == b"0123"
    assert os.read(other, 4) == b"0123"
    assert not os.get_inheritable(one)


def test_one_that_was_written_to_is_not_loaded(tmp_path: Path) -> None:
    (path := tmp_path / "model").write_bytes(b"GGUF")
    asleep = dormant(path)
    path.write_bytes(b"GGUF, and more")
    asleep.reopen()
    with pytest.raises(WeightsError, match="has changed since the service started"):
        asleep.load(None)


def test_one_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    (path := tmp_path / "model").write_bytes(b"no model")
    asleep = dormant(path)
    asleep.reopen()
    with pytest.raises(WeightsError, match="could not load the model"):
        asleep.load(None)
