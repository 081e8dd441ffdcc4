"""The warden's view of the file: what has changed counts at the next look, and what cannot be read lets nobody in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from noghost.errors import ConfigError
from noghost.keys.ring import Ring
from noghost.keys.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "hashes"


def test_without_a_key_there_is_no_ring(path: Path) -> None:
    with pytest.raises(ConfigError, match="noghost keys add NAME"):
        Ring(path)
    Store(path).add("x")
    Store(path).revoke("x")
    with pytest.raises(ConfigError, match="noghost keys add NAME"):
        Ring(path)


def test_a_damaged_file_is_named_at_start(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text("something else\n")
    with pytest.raises(ConfigError, match="line 1 of"):
        Ring(path)


def test_added_and_revoked_keys_count_after_the_next_look(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one, _ = Store(path).add("one")
    ring = Ring(path)
    two, _ = Store(path).add("two")
    Store(path).revoke("one")
    assert (ring.now.holds(one), ring.now.holds(two)) == (True, False), "the control: it has not looked yet"
    ring.refresh()
    assert (ring.now.holds(one), ring.now.holds(two)) == (False, True)
    Store(path).revoke("two")
    ring.refresh()
    assert not ring.now.holds(two)
    assert ring.now.readable
    assert capfd.readouterr().err.count("keys_read: count=") == 2


def test_an_unchanged_file_is_not_read_again(path: Path) -> None:
    Store(path).add("one")
    ring = Ring(path)
    before = ring.now
    ring.refresh()
    assert ring.now is before
    os.utime(path)
    ring.refresh()
    assert ring.now is not before, "the control: a file that was touched is"


def test_a_file_that_cannot_be_read_lets_nobody_in_until_it_can(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    key, _ = Store(path).add("one")
    ring, whole = Ring(path), path.read_bytes()
    away = path.with_name("away")

    def damage() -> None:
        path.write_bytes(whole[:-20])

    for spoil in (damage, lambda: path.rename(away), lambda: path.chmod(0o666)):
        spoil()
        for _ in range(3):
            ring.refresh()
            assert (ring.now.readable, ring.now.holds(key)) == (False, False)
        away.unlink(missing_ok=True)
        path.write_bytes(whole)
        path.chmod(0o600)
        ring.refresh()
        assert (ring.now.readable, ring.now.holds(key)) == (True, True)
    said = capfd.readouterr().err
    assert said.count("keys_unreadable:") == said.count("keys_read: count=1") == 3, "each said once"
