"""A GGUF converted by llama.cpp in another process: complete, this user's alone, or not there at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from noghost.engine.convert import convert
from noghost.engine.model import Model
from noghost.errors import WeightsError
from noghost.weights.find import find
from noghost.weights.gguf import check_gguf


def test_the_result_is_a_whole_model_of_that_type(q4_0: Path) -> None:
    check_gguf(q4_0)
    assert "Q4_0" in Model.load(q4_0).description
    assert "Q4_0" not in Model.load(find().path).description, "control"
    assert q4_0.stat().st_mode & 0o777 == 0o600
    assert q4_0.stat().st_size < find().path.stat().st_size


def test_a_file_that_is_no_model_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "no.gguf"
    source.write_bytes(b"no model" * 100)
    with pytest.raises(WeightsError, match=r"could not convert the model .*invalid magic") as caught:
        convert(source, tmp_path / "out.gguf", "Q8_0", 1)
    assert caught.value.hint.startswith("take a file")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.slow
def test_a_model_whose_values_are_wrong_leaves_nothing(tmp_path: Path) -> None:
    """One that llama.cpp does not survive when it is loaded: its own block count is not borne out by its tensors."""
    source = tmp_path / "odd.gguf"
    data = find().path.read_bytes()
    key = b"llama.block_count"
    at = data.index(key) + len(key) + 4
    source.write_bytes(data[:at] + (10**6).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(WeightsError, match="could not convert the model"):
        convert(source, tmp_path / "out.gguf", "Q8_0", 1)
    assert list(tmp_path.iterdir()) == [source]


def test_what_does_not_fit_the_disk_leaves_nothing(tmp_path: Path) -> None:
    """The converter's process inherits a limit on the size of files, which fails its writes as a full disk does."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from noghost.engine.convert import convert\n"
        "from noghost.weights.find import find\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 24, 1 << 24))\n"
        "try: convert(find().path, Path(sys.argv[1]), 'Q8_0', 1)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "out.gguf")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True)
    assert done.stdout.startswith("WeightsError could not convert the model")
    assert "could not be written whole" in done.stdout
    assert "MB free" in done.stdout
    assert list(tmp_path.iterdir()) == []
