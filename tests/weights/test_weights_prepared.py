"""Prepared models by name: kept, found by name and by path, pinned, removed; a name is no path."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from noghost.errors import WeightsError
from noghost.weights import prepared
from noghost.weights.digest import verify
from noghost.weights.file import WeightsFile
from noghost.weights.find import find
from noghost.weights.prepared import Prepared

BYTES = b"GGUF and so on"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def keep(name: str = "m.q4_0", data: bytes = BYTES) -> Prepared:
    prepared.unfinished(name).write_bytes(data)
    made = Prepared(name, "m", "ab" * 32, hashlib.sha256(data).hexdigest(), "Q4_0", "cd" * 32, {"threads": 1})
    prepared.add(made)
    return made


def test_what_was_kept_is_found_by_name_and_by_path_and_is_pinned(home: Path) -> None:
    made = keep()
    assert prepared.names() == ["m.q4_0"]
    assert prepared.get("m.q4_0") == made
    assert made.size_bytes == len(BYTES)
    expected = WeightsFile(
        home / "noghost" / "models" / "m.q4_0.gguf", "m.q4_0", made.sha256, prepared=True, vouched=True
    )
    assert find("m.q4_0") == find("M.Q4_0") == find(str(made.path)) == expected
    assert verify(expected) == made.sha256
    assert (home / "noghost" / "models").stat().st_mode & 0o777 == 0o700
    assert made.path.with_suffix(".json").stat().st_mode & 0o777 == 0o600
    assert not prepared.unfinished("m.q4_0").exists()


def test_one_that_was_changed_is_refused() -> None:
    made = keep()
    made.path.write_bytes(b"GGUF and so oN")
    with pytest.raises(WeightsError, match="not the one pinned"):
        verify(find("m.q4_0"), use_cache=False)


def test_a_new_one_takes_the_place_of_the_old() -> None:
    keep()
    made = keep(data=b"GGUF anew")
    assert prepared.get("m.q4_0") == made
    assert made.path.read_bytes() == b"GGUF anew"


def test_a_copy_elsewhere_is_a_path_like_any_other(home: Path) -> None:
    copy = home / "m.q4_0.gguf"
    copy.write_bytes(keep().path.read_bytes())
    assert find(str(copy)) == WeightsFile(copy, "m.q4_0", None)


def test_weights_without_what_is_known_of_them_are_a_path_like_any_other() -> None:
    """What a crash between the two leaves."""
    path = keep().path
    path.with_suffix(".json").unlink()
    assert find(str(path)) == WeightsFile(path, "m.q4_0", None)
    with pytest.raises(WeightsError, match=r"could not find the model m\.q4_0"):
        find("m.q4_0")
    assert prepared.names() == []
    prepared.remove("m.q4_0")
    assert not path.exists()


def test_removed_is_removed() -> None:
    path = keep().path
    prepared.unfinished("m.q4_0").write_bytes(b"what a killed one leaves")
    prepared.remove("m.q4_0")
    assert list(path.parent.iterdir()) == []
    for work in (prepared.get, prepared.remove):
        with pytest.raises(WeightsError, match=r"no model named m\.q4_0"):
            work("m.q4_0")


@pytest.mark.parametrize("name", ["", "../m", "a/b", "A", ".m", "-m", "m\n", "m" * 129])
def test_a_name_is_no_path(name: str) -> None:
    for work in (prepared.get, prepared.remove, prepared.unfinished):
        with pytest.raises(WeightsError, match="no name"):
            work(name)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "name": "m.q4_0"}', "\xff", '{"sha256": "x"}', "sha256"]
)
def test_what_cannot_be_read_is_refused_and_can_be_removed(text: str) -> None:
    path = keep().path
    about = path.with_suffix(".json")
    damaged = {**json.loads(about.read_bytes()), "sha256": "x"}
    about.write_text(json.dumps(damaged) if text == "sha256" else text, "latin-1")
    with pytest.raises(WeightsError, match="could not read what is known"):
        find("m.q4_0")
    prepared.remove("m.q4_0")
    assert not path.exists()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("smollm2-135m-instruct", "smollm2-135m-instruct.q4_0"),
        ("My-Model.Q8_0", "my-model.q4_0"),
        ("model-f16", "model.q4_0"),
        ("a.q4_k_m", "a.q4_0"),
        ("a.iq4_nl", "a.q4_0"),
        ("ein modell (2)", "ein-modell--2-.q4_0"),
        ("...", "model.q4_0"),
        ("x" * 300, "x" * 100 + ".q4_0"),
    ],
)
def test_the_name_says_of_what_and_as_what(source: str, name: str) -> None:
    assert prepared.name_for(source, "Q4_0") == name
    assert prepared.is_name(name)
