"""Repacked weights, left to a file: no private memory, the same answers, and nothing ever writes there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from noghost.engine.ahead import begin
from noghost.engine.context import Context, Room
from noghost.engine.model import Model
from noghost.engine.prefill import prefill
from noghost.errors import EngineError, WeightsError
from noghost.weights.find import find


@pytest.fixture(scope="module")
def found(q4_0: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("repack_probe.py")
    command = [sys.executable, str(script), str(q4_0)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.slow
def test_repacking_makes_private_memory_and_a_file_takes_it_back(found: dict[str, Any]) -> None:
    assert found["private, repacked"] > found["private, as it is"] + 40e6, "control: that is what it costs"
    assert found["held"] > 40e6
    assert found["private, held"] < found["private, as it is"]


@pytest.mark.slow
def test_the_answers_are_the_same_bytes_before_and_after(found: dict[str, Any]) -> None:
    assert found["answer, held"] == found["answer, repacked"]
    assert found["state, held"] == found["state, repacked"]
    assert found["state, as it is"] != found["state, repacked"], "control: other roundings would be seen"


def test_no_page_of_it_becomes_an_instances_own(found: dict[str, Any]) -> None:
    assert found["own pages of the weights"] == 0
    assert found["own pages after a write"] == 1, "control: one that is written would be counted"


def test_a_folder_that_takes_no_file_is_said(q4_0: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="could not hold the repacked model"):
        begin(q4_0, Room(512), repack=True, hold_in=tmp_path / "gone")()


@pytest.mark.slow
def test_a_templates_state_is_computed_as_the_model_is_loaded(q4_0: Path) -> None:
    """And its key says which of the two it is."""
    tokens = list(range(200, 280))
    model = Model.load(q4_0, repack=True)
    here = Context(model, 256)
    here.start_threads(1)
    here.decode(tokens, 0)
    assert prefill(q4_0, 256, tokens, 1, repack=True) == here.save()
    assert prefill(q4_0, 256, tokens, 1) != here.save(), "control"
    assert here.parameters == Context(Model.load(q4_0), 256).parameters + " repacked"


def test_it_is_refused_with_a_second_thread(q4_0: Path) -> None:
    model = Model.load(q4_0, repack=True)
    Context(model, 256).start_threads(2)
    with open("/dev/null", "wb") as file, pytest.raises(EngineError, match="second thread"):  # noqa: PTH123
        model.hold_in_file(file.fileno())


def test_the_default_model_is_not_repacked() -> None:
    assert not Model.load(find().path).repacked
    assert not find().prepared
