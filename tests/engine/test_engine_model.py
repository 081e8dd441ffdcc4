"""A model's facts and vocabulary are the file's; a file that is none is a WeightsError."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from noghost.engine import llama
from noghost.engine.llama import C, set_fields
from noghost.engine.model import Model
from noghost.errors import EngineError, RequestError, WeightsError
from noghost.weights.find import find

BOOL_TYPE = (7).to_bytes(4, "little")  # GGUF_METADATA_VALUE_TYPE_BOOL


def patched_copy(tmp_path: Path, old: bytes, new: bytes) -> Path:
    """Copy the default model with a few bytes of its metadata changed."""
    assert len(old) == len(new)
    path = tmp_path / "patched.gguf"
    shutil.copyfile(find().path, path)
    with path.open("r+b") as file:
        head = file.read(8 << 20)
        assert head.count(old) == 1
        file.seek(head.index(old))
        file.write(new)
    return path


def test_the_facts_of_the_default_model(model: Model) -> None:
    assert (model.n_ctx_train, model.n_vocab) == (8192, 49152)
    assert (model.bos, model.eos) == ("<|im_start|>", "<|im_end|>")
    assert (model.add_bos, model.add_eos) == (False, False)
    assert "llama" in model.description
    assert model.chat_template is not None
    assert "<|im_start|>" in model.chat_template
    assert {model.piece(token, special=True) for token in model.eog_tokens} >= {b"<|im_end|>", b"<|endoftext|>"}


@pytest.mark.parametrize("text", ["", "a", "The capital of France", "äöü 👻 \n\t", "x" * 5000, "a\0b"])
def test_tokens_are_the_text(model: Model, text: str) -> None:
    tokens = model.tokenize(text, add_special=False, parse_special=False)
    assert b"".join(map(model.piece, tokens)).decode() == text


def test_special_tokens_are_read_only_when_asked_and_never_shown(model: Model) -> None:
    (token,) = model.tokenize("<|im_end|>", add_special=False, parse_special=True)
    assert model.is_eog(token)
    assert (model.piece(token), model.piece(token, special=True)) == (b"", b"<|im_end|>")
    assert len(model.tokenize("<|im_end|>", add_special=False, parse_special=False)) > 1


def test_a_piece_may_be_long(model: Model) -> None:
    longest = max(range(model.n_vocab), key=lambda token: len(model.piece(token, special=True)))
    assert len(model.piece(longest)) > 16


def test_half_a_surrogate_pair_is_the_callers_fault_and_not_shown(model: Model) -> None:
    with pytest.raises(RequestError) as caught:
        model.tokenize("zq-marker\ud83d", add_special=False, parse_special=False)
    assert "zq-marker" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_bos_is_added_once_when_the_file_asks_for_it(model: Model, tmp_path: Path) -> None:
    key = b"tokenizer.ggml.add_bos_token" + BOOL_TYPE
    other = Model.load(patched_copy(tmp_path, key + b"\0", key + b"\1"))
    assert other.add_bos
    (bos,) = model.tokenize(model.bos, add_special=False, parse_special=True)
    with_bos, without = model.bos + "user", "user"
    assert other.tokenize_prompt(with_bos)[0] == bos
    assert other.tokenize_prompt(with_bos) == other.tokenize_prompt(without) == model.tokenize_prompt(with_bos)
    assert bos not in model.tokenize_prompt(without)


def test_a_file_without_a_chat_template_says_none(tmp_path: Path) -> None:
    path = patched_copy(tmp_path, b"tokenizer.chat_template", b"tokenizer.chat_templatX")
    assert Model.load(path).chat_template is None


@pytest.mark.parametrize("kind", ["missing", "empty", "directory", "text", "cut header", "cut data"])
def test_a_broken_file_is_a_weights_error_with_its_path(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "broken.gguf"
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        cut = {"empty": 0, "text": 0, "cut header": 1000, "cut data": 50_000_000}[kind]
        with find().path.open("rb") as whole:
            path.write_bytes(whole.read(cut) if kind != "text" else b"not a model\n" * 50)
    with pytest.raises(WeightsError) as caught:
        Model.load(path)
    assert str(path) in caught.value.message


def test_the_reason_is_llama_cpps_own(tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    path.write_bytes(b"not a model\n" * 50)
    with pytest.raises(WeightsError, match="magic"):
        Model.load(path)


def test_a_field_that_is_none_is_not_set_silently() -> None:
    params = C.llama_model_default_params()
    with pytest.raises(EngineError, match="use_mmap_of_another_version"):
        set_fields(params, use_mmap_of_another_version=True)


def test_a_function_that_the_build_lacks_is_named() -> None:
    with pytest.raises(EngineError, match="ggml_no_such_function"):
        llama._function("ggml_no_such_function", None)


def test_the_threadpool_struct_is_the_librarys() -> None:
    params = llama.threadpool_params_default(7)
    assert (params.n_threads, params.prio, params.strict_cpu, params.paused) == (7, 0, False, False)
    assert 0 <= params.poll <= 100
    assert not any(params.cpumask)


def test_importing_the_engine_brings_no_numpy_no_thread_and_no_word(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from noghost.engine.model import Model\n"
        "from noghost.engine.context import Context\n"
        "from noghost.weights.find import find\n"
        "from noghost.errors import WeightsError\n"
        "Context(Model.load(find().path), 256)\n"
        "try: Model.load('/no/such/file')\n"
        "except WeightsError: pass\n"
        "assert 'numpy' not in sys.modules\n"
        "assert len(os.listdir('/proc/self/task')) == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
