"""The GGUF loader at start: whatever the file, it is loaded, or refused with one of our errors.

What check_gguf lets through goes to llama.cpp in a process of its own, as at a start; that process may die of it, and
ours may not.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.effort import effort
from fuzz.mutation import INTERESTING, mutated
from fuzz.tiny_gguf import BOOL, F32, F64, FORMS, PAIRS, STRING, TENSORS, Tensor, Tiny
from noghost.engine.loaded import load
from noghost.engine.trial import try_model
from noghost.errors import EngineError, WeightsError
from noghost.weights.gguf import check_gguf
from running import private_environment

GOOD = Tiny().render()
HEAD = len(GOOD) - sum(tensor.size_bytes for tensor in TENSORS)  # up to the tensors' data
CHILD_S = 30
FLOATS = (0.0, -1.0, float("inf"), float("nan"), 1e-30, 1e30)
WORDS = (
    b"",
    b"llama",
    b"bert",
    b"gpt2",
    b"rwkv",
    b"t5",
    b"clip",
    b"plamo2",
    b"no-such-thing",
    b"\xff",
    b"a\0b",
    b"a" * 300,
)
ENDS = {"loaded", "refused", "SIGABRT", "SIGSEGV", "SIGFPE", "SIGBUS", "SIGALRM"}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf") / "tiny.gguf"


def passes(path: Path, data: bytes) -> bool:
    """Whether check_gguf lets it through; only a WeightsError with path and hint says no."""
    path.write_bytes(data)
    try:
        check_gguf(path)
    except WeightsError as error:
        return not (str(path) in error.message and error.hint)
    return True


def end_of_loading(path: Path) -> str:
    """How a child ends that loads the file and computes one token: "loaded", "refused", or its signal."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            confine_child()
            status = load_and_compute(path)
        finally:
            os._exit(status)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return {0: "loaded", 10: "refused"}.get(os.WEXITSTATUS(status), "another exception")


def confine_child() -> None:
    """Silent, no core, and not for ever. The signal handlers are not pytest's."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.environ["GGML_NO_BACKTRACE"] = "1"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE, signal.SIGBUS, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(CHILD_S)


def load_and_compute(path: Path) -> int:
    try:
        loaded = load(path, 64)
        tokens = loaded.model.tokenize("abc <|im_end|>", add_special=True, parse_special=True)
        loaded.context.start_threads(1)
        loaded.context.decode(tokens[:8] or [0], 0)
    except (WeightsError, EngineError):
        return 10
    return 0


def test_the_model_is_good(path: Path) -> None:
    assert passes(path, GOOD)
    assert end_of_loading(path) == "loaded"


@pytest.mark.slow
@effort(1500)
@given(data=mutated(GOOD[:HEAD]))
def test_a_changed_byte_of_the_metadata_is_refused_or_harmless_to_us(path: Path, data: bytes) -> None:
    passes(path, data + GOOD[HEAD:])


def test_every_cut_is_refused(path: Path) -> None:
    """A download that broke off."""
    cuts = [*range(0, HEAD, 7), *range(HEAD - 8, HEAD + 64), len(GOOD) - 1]
    assert [size_bytes for size_bytes in cuts if passes(path, GOOD[:size_bytes])] == []


@pytest.mark.slow
@effort(100)
@given(data=mutated(GOOD[:HEAD], most=2))
def test_what_passes_is_loaded_or_refused_or_ends_the_child(path: Path, data: bytes) -> None:
    if passes(path, data + GOOD[HEAD:]):
        assert end_of_loading(path) in ENDS


def values(kind: int) -> st.SearchStrategy[Any]:
    """Of one metadata type, most of them wrong for any key."""
    if kind == STRING:
        return st.sampled_from(WORDS)
    if kind in (F32, F64):
        return st.sampled_from(FLOATS)
    if kind == BOOL:
        return st.integers(0, 255)
    bits = {"b": 8, "B": 8, "h": 16, "H": 16, "i": 32, "I": 32, "q": 64, "Q": 64}[FORMS[kind]]
    low = -(2 ** (bits - 1)) if FORMS[kind].islower() else 0
    numbers = st.sampled_from([*INTERESTING, *range(300)]).filter(lambda number: number < 2**bits + low)
    return numbers.map(lambda number: number + low if low and number > 2**bits + low else number)


@st.composite
def models(draw: st.DrawFn) -> bytes:
    """Well-formed files that make no sense."""
    model = Tiny()
    for _ in range(draw(st.integers(1, 3))):
        pair = draw(st.sampled_from(PAIRS))
        match draw(st.integers(0, 3)):
            case 0:
                model = model.without(pair.key)
            case 1:
                kind = draw(st.sampled_from([*FORMS, STRING]))
                array = draw(st.booleans())
                value = draw(st.lists(values(kind), max_size=4) if array else values(kind))
                model = model.with_pair(pair.key, kind, value, array)
            case 2 if not pair.array:
                model = model.with_pair(pair.key, pair.kind, draw(values(pair.kind)))
            case _:
                number = draw(st.integers(0, len(TENSORS) - 1))
                shape = tuple(draw(st.lists(st.sampled_from((1, 16, 32, 64, 256, 260)), min_size=1, max_size=4)))
                kind = draw(st.sampled_from((0, 1, 2, 12, 16, 24, 26, 27, 30, 39)))
                model = model.with_tensor(number, Tensor(TENSORS[number].name, shape, kind))
    return model.render()


@pytest.mark.slow
@effort(150)
@given(data=models())
def test_a_well_formed_file_that_makes_no_sense_is_refused_or_ends_the_child(path: Path, data: bytes) -> None:
    if passes(path, data):
        assert end_of_loading(path) in ENDS


CRASHES = {
    "a block count that ends in an assertion": Tiny().with_pair(b"llama.block_count", 4, 2**31 - 1),
    "a norm that ends in an assertion": Tiny().with_pair(b"llama.attention.layer_norm_rms_epsilon", F32, -1.0),
    "a tensor of integers that ends in a fault": Tiny().with_tensor(10, Tensor(TENSORS[10].name, (32, 32), 24)),
    "more experts than there is room for": Tiny().with_pair(b"llama.expert_count", 4, 2**31 - 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CRASHES)
def test_what_crashes_llama_cpp_passes_the_check_and_is_refused_by_the_trial(path: Path, name: str) -> None:
    assert passes(path, CRASHES[name].render())
    assert end_of_loading(path).startswith("SIG")
    with pytest.raises(WeightsError, match="crashed on it") as caught:
        try_model(path, 64)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("command", ["ask", "serve"])
def test_a_file_that_crashes_llama_cpp_is_told_at_start(path: Path, tmp_path: Path, command: str) -> None:
    path.write_bytes(CRASHES["a block count that ends in an assertion"].render())
    arguments = [command, "--model", str(path), *(["--port", "0"] if command == "serve" else ["Hi"])]
    done = noghost(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"noghost: could not use the model {path}: llama.cpp crashed on it (SIGABRT)\nhint: " in done.stderr


def test_a_model_is_tried_once(path: Path, tmp_path: Path) -> None:
    path.write_bytes(GOOD)
    tried = tmp_path / "cache" / "noghost" / "tried"
    for _ in range(2):
        assert noghost(tmp_path, "ask", "--model", str(path), "--max-tokens", "1", "a").returncode == 0
        assert len(tried.read_text().splitlines()) == 1


def noghost(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command with directories of its own."""
    command = [sys.executable, "-m", "noghost.cli.main", *arguments]
    return subprocess.run(
        command, env=private_environment(home), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
