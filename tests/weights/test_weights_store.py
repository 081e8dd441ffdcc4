"""The store: files by their digests, names that mean them, one file for many names, nothing half done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fuzz.tiny_gguf import STRING, Tiny
from noghost.errors import WeightsError
from noghost.weights import digest, prepared, store
from noghost.weights.digest import cache_path, verify
from noghost.weights.file import WeightsFile
from noghost.weights.find import DEFAULT_NAME, find
from noghost.weights.gguf import check_gguf
from noghost.weights.pull import add
from noghost.weights.store import Stored
from weights.splitting import split_files, whole_file


@contextmanager
def unwatched(_step: str, _size_bytes: int | None) -> Iterator[object]:
    yield lambda _bytes: None


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def put(folder: Path, name: str = "m", data: bytes | None = None) -> Stored:
    """Add a file; by default always the same one."""
    path = folder / f"{name}.gguf"
    path.write_bytes(Tiny().render() if data is None else data)
    return add(path, None, unwatched)  # type: ignore[arg-type]


def left() -> list[str]:
    """All that lies in the store."""
    folders = (store.folder(), store.names_folder())
    return sorted(path.name for folder in folders if folder.is_dir() for path in folder.iterdir())


def test_what_was_added_is_found_by_its_name_pinned_and_not_vouched_for(home: Path) -> None:
    made = put(home)
    assert made.sha256 == hashlib.sha256(Tiny().render()).hexdigest()
    assert find("M") == WeightsFile(store.folder() / f"{made.sha256}.gguf", "m", made.sha256)
    assert not find("m").vouched
    assert store.folder().stat().st_mode & 0o777 == 0o700
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert left() == sorted([f"{made.sha256}.gguf", "m.json"])


def test_it_is_hashed_once(home: Path) -> None:
    """The control: the cache is what the next answer comes from."""
    made = put(home)
    document = json.loads(cache_path().read_bytes())
    document["digests"][str(made.path)]["sha256"] = "0" * 64
    cache_path().write_text(json.dumps(document))
    assert digest.digest(made.path) == "0" * 64


def test_one_that_was_changed_is_refused_with_both_digests(home: Path) -> None:
    made = put(home)
    assert verify(find("m")) == made.sha256
    made.path.write_bytes(made.path.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match=f"its sha256 is [0-9a-f]{{64}}, not {made.sha256}"):
        verify(find("m"))


def test_a_file_has_many_names_and_goes_with_the_last(home: Path) -> None:
    first, second = put(home, "one"), put(home, "two")
    assert first.path == second.path
    store.remove("one")
    assert find("two").path.is_file()
    assert store.names() == ["two"]
    store.remove("two")
    assert left() == []
    with pytest.raises(WeightsError, match="no model named two"):
        store.remove("two")


def test_a_name_does_not_come_to_mean_another_model(home: Path) -> None:
    made = put(home)
    assert put(home) == made, "the same again is the same"
    with pytest.raises(WeightsError, match="m is the name of another model"):
        put(home, data=Tiny().with_pair(b"general.name", STRING, b"other").render())
    assert left() == sorted([f"{made.sha256}.gguf", "m.json"])
    for name in ("default", DEFAULT_NAME):
        with pytest.raises(WeightsError, match="default model"):
            put(home, name)
    prepared.unfinished("p").write_bytes(b"x")
    prepared.add(prepared.Prepared("p", "m", "ab" * 32, "cd" * 32, "Q4_0", "ef" * 32, {}))
    with pytest.raises(WeightsError, match="p is the name of a prepared model"):
        put(home, "p")


@pytest.mark.parametrize("name", ["", "../m", "a/b", ".m", "m\n", "m" * 129])
def test_a_name_is_no_path(name: str) -> None:
    for work in (store.get, store.remove):
        with pytest.raises(WeightsError, match="no name"):
            work(name)
    with pytest.raises(WeightsError, match="no SHA-256"):
        store.path_of(name)


@pytest.mark.parametrize("text", ["", "{}", '{"version": 1, "name": "m"}', "sha256"])
def test_a_damaged_record_is_told_and_can_be_removed(home: Path, text: str) -> None:
    put(home)
    about = store.about("m")
    damaged = {**json.loads(about.read_bytes()), "sha256": "../../x"}
    about.write_text(json.dumps(damaged) if text == "sha256" else text)
    with pytest.raises(WeightsError, match="could not read what is known of the model m"):
        find("m")
    store.remove("m")
    assert store.names() == []


def test_what_is_no_model_leaves_nothing(home: Path) -> None:
    for data in (b"#!/bin/sh\n" * 100, Tiny().render()[:-8]):
        with pytest.raises(WeightsError, match=r"could not use the model .*m\.gguf"):
            put(home, data=data)
        assert left() == []
    with pytest.raises(WeightsError, match="no such file"):
        add(home / "none.gguf", None, unwatched)  # type: ignore[arg-type]


def test_parts_are_joined_to_the_file_that_was_split(home: Path) -> None:
    paths = [home / f"m-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    for path, data in zip(paths, split_files(3), strict=True):
        path.write_bytes(data)
        with pytest.raises(WeightsError, match="one part of a split model"):
            check_gguf(path)
        path.with_name("renamed.gguf").write_bytes(data)
        if data != split_files(3)[0]:  # that one has no tensor, and is refused for it
            with pytest.raises(WeightsError, match="one part of a split model"):
                check_gguf(path.with_name("renamed.gguf"))
    made = add(paths[0], None, unwatched)  # type: ignore[arg-type]
    assert made.name == "m"
    assert made.path.read_bytes() == whole_file()
    store.remove("m")
    paths[2].write_bytes(paths[1].read_bytes())
    with pytest.raises(WeightsError, match="part 3 of 3 says that it is 2 of 3"):
        add(paths[0], None, unwatched)  # type: ignore[arg-type]
    paths[2].unlink()
    with pytest.raises(WeightsError, match="no such file"):
        add(paths[0], None, unwatched)  # type: ignore[arg-type]
    assert left() == []
