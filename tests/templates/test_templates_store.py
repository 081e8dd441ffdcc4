"""Templates by name: added, read back, listed, removed with their state."""

from __future__ import annotations

from pathlib import Path

import pytest

from noghost.config import TemplateSource
from noghost.errors import ConfigError
from noghost.templates import store
from noghost.templates.state import path_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def stored(name: str, digest: str = "ab" * 32) -> store.Stored:
    return store.Stored(TemplateSource(name, "Grüße\r\n👻", '[{"a": 1}]', "model.gguf"), 100, digest)


def test_what_was_added_is_read_back(home: Path) -> None:
    assert store.names() == []
    for name in ("b", "a-1"):
        store.add(stored(name))
    assert store.names() == ["a-1", "b"]
    assert store.get("b") == stored("b")
    assert (home / "noghost" / "templates" / "b.json").stat().st_mode & 0o777 == 0o600


def test_a_state_goes_with_the_last_template_that_has_it() -> None:
    for name in ("one", "two"):
        store.add(stored(name))
    state = path_of(store.folder(), "ab" * 32)
    state.write_bytes(b"state")
    assert store.get("one").state_bytes == 5
    store.remove("one")
    assert state.exists()
    store.remove("two")
    assert not state.exists()
    assert store.names() == []


@pytest.mark.parametrize("name", ["", "A", "../a", "a/b", "a.b", "-a", "a" * 65, "a\n"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ConfigError, match="no name"):
        TemplateSource(name, "text")
    with pytest.raises(ConfigError, match="no name"):
        store.get(name)
    with pytest.raises(ConfigError, match="no name"):
        store.remove(name)


def test_one_that_is_not_there_or_cannot_be_read() -> None:
    for work in (store.get, store.remove):
        with pytest.raises(ConfigError, match="no template named gone"):
            work("gone")
    store.add(stored("damaged"))
    path = store.folder() / "damaged.json"
    for text in ("", "[]", "{}", '{"version": 2}', '{"version": 1, "source": {"name": "damaged"}}', "\xff"):
        path.write_text(text, "latin-1")
        with pytest.raises(ConfigError, match="cannot read the template damaged"):
            store.get("damaged")
    store.remove("damaged")
    assert not path.exists()
