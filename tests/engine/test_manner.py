"""Which of a family's marks are control tokens is the model's: its own are found, and none where it has none."""

from __future__ import annotations

from pathlib import Path

from engine.families import source_of
from fuzz.tiny_gguf import I32
from fuzz.tiny_kinds import CONTROL, GLM_CONTROLS, GLM_WORDS, glm
from noghost.engine.families.manner import manners_of
from noghost.engine.model import Model


def test_the_marks_are_found_in_a_vocabulary_that_has_them(model: Model, tmp_path: Path) -> None:
    source = source_of("glm-4.7")
    kinds = [1] * 258 + [CONTROL] * len([*GLM_WORDS, *GLM_CONTROLS])
    tiny = glm(source.encode()).with_pair(b"tokenizer.ggml.token_type", I32, kinds, array=True)
    (tmp_path / "glm.gguf").write_bytes(tiny.render())
    loaded = Model.load(tmp_path / "glm.gguf")
    found = manners_of(source, loaded)
    assert (found.own.family.name, found.told.family.name) == ("glm", "plain")
    assert {"<think>", "</think>", "<tool_call>", "<arg_key>"} <= found.own.markers.keys()
    assert {loaded.piece(token, True).decode(): token for token in found.own.markers.values()} == found.own.markers
    assert {loaded.piece(token, True) for token in found.own.ends} == {b"<|user|>", b"<|observation|>"}
    assert {"<think>", "<tool_call>"} <= found.told.markers.keys()
    assert found.told.ends == frozenset()
    bare = manners_of(source, model)
    assert (bare.own.family, bare.own.markers, bare.own.ends) == (found.own.family, {}, frozenset())
