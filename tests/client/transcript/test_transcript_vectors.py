"""The specification's vectors: what each reads as, that it stays what it is, and what is refused, at which line."""

from __future__ import annotations

import json
import runpy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from noghost.client.transcript import Transcript, TranscriptError, TranscriptFile, Turn

VECTORS = Path(__file__).parents[2] / "vectors" / "transcript-v1"
INDEX: list[dict[str, Any]] = json.loads((VECTORS / "index.json").read_text())
GOOD = [case for case in INDEX if "turns" in case]
BAD = [case for case in INDEX if "turns" not in case]


def built(case: dict[str, Any]) -> Transcript:
    """What the index says, made without reading the file."""
    turns = [Turn(**turn) for turn in case["turns"]]
    started = datetime.fromisoformat(case["started"])
    return Transcript(case["title"], case["model"], started, turns, case["newline"])


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["file"])
def test_good(case: dict[str, Any]) -> None:
    read = TranscriptFile(VECTORS / case["file"]).read()
    assert read == built(case)
    assert read.newline == case["newline"]
    assert read.render().encode() == (VECTORS / case["file"]).read_bytes()
    assert (built(case).render() == read.render()) is case["canonical"]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["file"])
def test_bad(case: dict[str, Any]) -> None:
    with pytest.raises(TranscriptError) as caught:
        TranscriptFile(VECTORS / case["file"]).read()
    assert caught.value.line == case["line"]


def test_the_vectors_can_be_made_again(tmp_path: Path) -> None:
    runpy.run_path(str(VECTORS / "make_vectors.py"))["make"](tmp_path)
    kept, made = (
        {path.relative_to(root): path.read_bytes() for path in root.glob("*/*")} for root in (VECTORS, tmp_path)
    )
    assert made == kept
    assert (tmp_path / "index.json").read_bytes() == (VECTORS / "index.json").read_bytes()


def test_the_specification_s_example_reads_and_stays() -> None:
    spec = (VECTORS.parents[2] / "spec" / "transcript-v1.md").read_text()
    example = spec.split("```\n")[1]
    transcript = Transcript.parse(example)
    assert transcript.render() == example
    assert [turn.role for turn in transcript.turns] == ["user", "assistant"]
    for turn in transcript.turns:
        assert Turn(turn.role, turn.text, turn.facts).render() == turn.source
