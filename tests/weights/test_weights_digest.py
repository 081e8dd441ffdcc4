"""The digest is the file's; the cache is believed for an unchanged file and for no other."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from noghost.errors import WeightsError
from noghost.weights.digest import cache_path, digest, verify
from noghost.weights.file import WeightsFile
from noghost.weights.find import find

FALSE_DIGEST = "ab" * 32


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_path()


@pytest.fixture
def settled(tmp_path: Path) -> Iterator[Path]:
    """A file that was not changed lately: an installed source file."""
    path = Path(shutil.__file__)
    assert path.is_file()
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def falsify(cache: Path, path: Path) -> None:
    document = json.loads(cache.read_bytes())
    document["digests"][str(path.resolve())]["sha256"] = FALSE_DIGEST
    cache.write_text(json.dumps(document))


def test_the_default_model_is_the_pinned_one() -> None:
    found = find()
    assert verify(found) == found.sha256


def test_a_digest_is_cached_privately_and_believed(settled: Path, cache: Path) -> None:
    assert digest(settled) == sha256(settled)
    assert cache.stat().st_mode & 0o777 == 0o600
    falsify(cache, settled)  # the control: the next answer can only come from the cache
    assert digest(settled) == FALSE_DIGEST
    assert digest(settled, use_cache=False) == sha256(settled)
    assert digest(settled) == sha256(settled), "what was hashed again is what the next start knows"


def test_a_changed_file_is_hashed_again(settled: Path, cache: Path) -> None:
    digest(settled)
    falsify(cache, settled)
    for position in range(5):
        document = json.loads(cache.read_bytes())
        key = document["digests"][str(settled.resolve())]["key"]
        changed = {**document, "digests": {str(settled.resolve()): {"key": list(key), "sha256": FALSE_DIGEST}}}
        changed["digests"][str(settled.resolve())]["key"][position] += 1
        cache.write_text(json.dumps(changed))
        assert digest(settled) == sha256(settled)


def test_a_file_that_was_just_written_is_not_cached(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "young"
    path.write_bytes(b"one")
    first = digest(path)
    path.write_bytes(b"two")
    assert digest(path) == sha256(path) != first
    assert not cache.exists()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"version": 2, "digests": {}}',
        b'{"version": 1, "digests": 3}',
        b'{"version": 1, "digests": {"PATH": 3}}',
        b'{"version": 1, "digests": {"PATH": {"key": 1, "sha256": "abc"}}}',
        b'{"version": 1, "digests": {"PATH": {"key": [], "sha256": ["a"]}}}',
    ],
)
def test_a_damaged_cache_is_ignored_and_replaced(settled: Path, cache: Path, damage: bytes) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(damage.replace(b"PATH", str(settled.resolve()).encode()))
    assert digest(settled) == sha256(settled)
    assert json.loads(cache.read_bytes())["digests"][str(settled.resolve())]["sha256"] == sha256(settled)


def test_a_cache_that_others_could_have_written_is_ignored(settled: Path, cache: Path) -> None:
    digest(settled)
    falsify(cache, settled)
    cache.chmod(0o660)
    assert digest(settled) == sha256(settled)


def test_a_cache_that_cannot_be_written_is_no_error(settled: Path, cache: Path) -> None:
    cache.parent.parent.mkdir(parents=True)
    cache.parent.write_bytes(b"a file where the folder should be")
    assert digest(settled) == sha256(settled)


def test_the_cache_forgets_the_oldest(settled: Path, cache: Path) -> None:
    entries = {f"/gone/{number}": {"key": [number], "sha256": FALSE_DIGEST} for number in range(256)}
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps({"version": 1, "digests": entries}))
    cache.chmod(0o600)
    digest(settled)
    kept = json.loads(cache.read_bytes())["digests"]
    assert len(kept) == 256
    assert "/gone/0" not in kept
    assert str(settled.resolve()) in kept


def test_another_file_than_the_pinned_one_is_refused_with_both_digests(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"not it")
    with pytest.raises(WeightsError) as caught:
        verify(WeightsFile(path, "model", FALSE_DIGEST))
    assert sha256(path) in caught.value.message
    assert FALSE_DIGEST in caught.value.message
    assert verify(WeightsFile(path, "model", None)) == sha256(path)


def test_a_file_that_cannot_be_read_is_a_weights_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, "a\0b"):
        with pytest.raises(WeightsError, match="could not read the model"):
            digest(path)


def test_no_temporary_file_is_left(settled: Path, cache: Path) -> None:
    digest(settled)
    assert [path.name for path in cache.parent.iterdir()] == ["digests.json"]
