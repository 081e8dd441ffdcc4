"""Only a state that is whole, this user's and of exactly this key is given to llama.cpp."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from noghost.templates.state import Key, RefusedError, path_of, read_state, write_state

KEY = Key("ab" * 32, "cd" * 32, "kv=f16,f16", tuple(range(100)))
STATE = bytes(range(256)) * 40


def test_what_was_written_is_read_and_is_the_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_state(folder, KEY, STATE)
    assert read_state(folder, KEY) == STATE
    path = path_of(folder, KEY.digest)
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [entry.name for entry in folder.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "change", [{"model": "ef" * 32}, {"build": "ef" * 32}, {"parameters": "other"}, {"tokens": (1,)}]
)
def test_everything_that_the_bytes_depend_on_is_in_the_name(tmp_path: Path, change: dict[str, object]) -> None:
    write_state(tmp_path, KEY, STATE)
    other = replace(KEY, **change)  # type: ignore[arg-type]
    assert other.digest != KEY.digest
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path, other)
    path_of(tmp_path, KEY.digest).rename(path_of(tmp_path, other.digest))
    with pytest.raises(RefusedError):
        read_state(tmp_path, other)


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[: at % len(data)] + bytes([data[at] ^ 1]) + data[at % len(data) + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "first byte": flipped(0),
    "header": flipped(40),
    "tokens": flipped(-len(STATE) - 4),
    "state": flipped(-len(STATE) + 5),
    "last byte": flipped(-1),
    "one byte less": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "header alone": lambda data: data[: data.index(b"\n", 30) + 1],
    "no state": lambda data: data[: -len(STATE)],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"\0",
    "no header": lambda data: STATE,
    "no newline": lambda data: b"noghost-template-v1\n" + b"x" * 9000,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    write_state(tmp_path, KEY, STATE)
    path = path_of(tmp_path, KEY.digest)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(RefusedError):
        read_state(tmp_path, KEY)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path, KEY, STATE)
    path_of(tmp_path, KEY.digest).chmod(0o620)
    with pytest.raises(RefusedError, match="another user"):
        read_state(tmp_path, KEY)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    path = path_of(tmp_path, KEY.digest)
    os.mkfifo(path)
    with pytest.raises(RefusedError):
        read_state(tmp_path, KEY)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError):
        read_state(tmp_path, KEY)
