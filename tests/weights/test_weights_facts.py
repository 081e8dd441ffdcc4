"""What `models show` reads from a header is what llama.cpp makes of the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.tiny_gguf import F32, I32, STRING, U32, Tiny
from noghost.engine.llama import C
from noghost.engine.model import Model
from noghost.weights.facts import FILE_TYPES, read_facts
from noghost.weights.find import find
from noghost.weights.known import GLM_4_7, known


def test_the_facts_are_those_of_llama_cpp() -> None:
    path = find().path
    facts, model = read_facts(path), Model.load(path)
    assert facts.parameters == C.llama_model_n_params(model.handle)
    assert facts.context_tokens == model.n_ctx_train
    assert facts.kv_token_bytes == model.n_layer * model.n_head_kv * sum(model.head_widths) * 2
    assert facts.has_template == bool(model.chat_template)
    assert facts.weights_bytes == path.stat().st_size
    assert (facts.architecture, facts.quantisation, facts.licence) == ("llama", "Q4_1", "apache-2.0")


def test_the_types_are_those_of_llama_h() -> None:
    prefixes = ("LLAMA_FTYPE_MOSTLY_", "LLAMA_FTYPE_ALL_")
    theirs = {
        getattr(C, name): name.removeprefix(prefix) for prefix in prefixes for name in dir(C) if name.startswith(prefix)
    }
    assert theirs.items() >= FILE_TYPES.items()
    assert set(theirs) == set(FILE_TYPES)


def written(folder: Path, model: Tiny) -> Path:
    path = folder / "m.gguf"
    path.write_bytes(model.render())
    return path


def test_layers_may_have_different_heads_and_some_only_predict(tmp_path: Path) -> None:
    model = Tiny().with_pair(b"llama.block_count", U32, 4)
    model = model.with_pair(b"llama.attention.head_count_kv", I32, [1, 2, 0, 8], array=True)
    assert read_facts(written(tmp_path, model)).kv_token_bytes == (1 + 2 + 0 + 8) * (32 + 32) * 2
    model = model.with_pair(b"llama.nextn_predict_layers", U32, 1)
    assert read_facts(written(tmp_path, model)).kv_token_bytes == (1 + 2 + 0) * (32 + 32) * 2
    model = model.with_pair(b"llama.attention.key_length", U32, 48).with_pair(b"llama.attention.value_length", U32, 16)
    assert read_facts(written(tmp_path, model)).kv_token_bytes == (1 + 2 + 0) * (48 + 16) * 2


@pytest.mark.parametrize("key", [b"llama.block_count", b"general.file_type", b"llama.context_length"])
def test_what_the_header_does_not_say_is_none_and_no_error(tmp_path: Path, key: bytes) -> None:
    for model in (Tiny().without(key), Tiny().with_pair(key, STRING, b"x"), Tiny().with_pair(key, F32, 1.0)):
        facts = read_facts(written(tmp_path, model))
        assert None in (facts.kv_token_bytes, facts.quantisation, facts.context_tokens)


def test_a_text_from_a_header_is_printable(tmp_path: Path) -> None:
    model = Tiny().with_pair(b"general.license", STRING, b"mit\x1b[31m" + b"x" * 5000)
    licence = read_facts(written(tmp_path, model)).licence
    assert licence is not None
    assert licence.startswith("mit\N{REPLACEMENT CHARACTER}[31mx")
    assert len(licence) == 200


def test_glm_is_known_by_its_names_and_its_cache_is_computed_as_a_header_would_have_it(tmp_path: Path) -> None:
    assert known("Z-AI/GLM-4.7") is known("glm-4.7") is GLM_4_7
    assert known("glm-4") is None
    arch = GLM_4_7.architecture.encode()
    pairs = {
        b"block_count": GLM_4_7.layers + 1,
        b"nextn_predict_layers": 1,
        b"attention.head_count": 96,
        b"attention.head_count_kv": GLM_4_7.kv_heads,
        b"attention.key_length": GLM_4_7.head_width,
        b"attention.value_length": GLM_4_7.head_width,
    }
    model = Tiny().with_pair(b"general.architecture", STRING, arch)
    for key, value in pairs.items():
        model = model.with_pair(arch + b"." + key, U32, value)
    assert read_facts(written(tmp_path, model)).kv_token_bytes == GLM_4_7.kv_bytes(1) == 376_832
    sizes = [one.size_bytes for one in GLM_4_7.published]
    assert sizes == sorted(sizes)
    assert GLM_4_7.advised in {one.quant for one in GLM_4_7.published}
