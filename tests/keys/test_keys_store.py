"""The file of hashes: whole or refused, and never lost, whatever is in it and whatever happens while it is written."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noghost.errors import ConfigError
from noghost.keys.key import Cost, Entry, Keys
from noghost.keys.store import HEAD, MOST_BYTES, Store, is_name, parse, render

PLACE = Path("/somewhere/hashes")
NAMES = st.text(min_size=1, max_size=64).filter(is_name)
ENTRIES = st.builds(
    Entry,
    id=st.from_regex(r"[a-z2-7]{8}", fullmatch=True),
    minute=st.just("2026-01-31T23:59Z"),
    name=NAMES,
    salt=st.binary(min_size=16, max_size=16),
    digest=st.binary(min_size=32, max_size=32),
    cost=st.sampled_from([Cost(), Cost(1 << 14, 1, 4), Cost(2, 8, 1)]),
)
WHOLE = st.lists(ENTRIES, max_size=4, unique_by=lambda entry: entry.id).map(lambda many: {one.id: one for one in many})
ADDER = """
import resource, signal, sys
from pathlib import Path
from noghost.keys.store import Store
if most_bytes := int(sys.argv[4]):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
store = Store(Path(sys.argv[1]))
for at in range(int(sys.argv[3])):
    key, entry = store.add(f"{sys.argv[2]} {at}")
    print(entry.id, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "hashes"


@pytest.fixture
def store(path: Path) -> Store:
    return Store(path)


def test_added_listed_revoked(store: Store) -> None:
    assert store.entries() == {}
    (one, first), (two, second) = store.add("Anna's laptop"), store.add("zoë 2")
    assert store.entries() == {first.id: first, second.id: second}
    assert [Keys(store.entries()).holds(key) for key in (one, two)] == [True, True]
    assert store.revoke("zoë 2") == second
    assert store.revoke(first.id) == first
    assert [Keys(store.entries()).holds(key) for key in (one, two)] == [False, False]


def test_the_file_is_private_and_holds_no_key(store: Store, path: Path) -> None:
    key, entry = store.add("x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    text = path.read_text()
    assert entry.id in text
    assert key[12:] not in text


@pytest.mark.parametrize("name", ["", " x", "x ", "x" * 65, "a\nb", "a\x1b[2Jb", "\u202eabc", "\ud800", "\x7f"])
def test_a_name_that_cannot_be_shown_is_refused(store: Store, path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        store.add(name)
    assert not path.exists()


def test_a_name_is_taken_once_and_what_is_not_there_cannot_be_revoked(store: Store, path: Path) -> None:
    store.add("x")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="already"):
        store.add("x")
    with pytest.raises(ConfigError, match="no key"):
        store.revoke("y")
    assert path.read_bytes() == before


def test_a_name_that_is_another_key_s_id_revokes_neither(store: Store) -> None:
    _, entry = store.add("x")
    store.add(entry.id)
    with pytest.raises(ConfigError, match="more than one"):
        store.revoke(entry.id)
    assert len(store.entries()) == 2


# --- any bytes ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(WHOLE)
@settings(deadline=None)
def test_what_is_written_is_read_again(entries: dict[str, Entry]) -> None:
    assert parse(render(entries), PLACE) == entries


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A whole file with some bytes of it replaced, left out or put in twice; or no such file at all."""
    data = render(draw(WHOLE))
    for _ in range(draw(st.integers(1, 3))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 70))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.sampled_from([0, length])) :]
    return data


@given(st.one_of(st.binary(), damaged(), st.binary().map(lambda tail: HEAD.encode() + b"\n" + tail)))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_exactly_a_file_or_refused_with_their_line(data: bytes) -> None:
    try:
        again = render(parse(data, PLACE))
    except ConfigError as error:
        said = str(error)
        line = int(said.partition(": line ")[2].partition(" of /somewhere/hashes")[0])
        again = data if 1 <= line <= data.count(b"\n") + 1 and "hint: " in said else b""
    assert again == data


@given(damaged())
@settings(max_examples=50, deadline=None)
def test_a_damaged_file_is_never_written_over(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("damaged") / "hashes"
    path.write_bytes(data)
    path.chmod(0o600)
    try:
        parse(data, path)
    except ConfigError:
        for change in (lambda: Store(path).add("new"), lambda: Store(path).revoke("old")):
            with pytest.raises(ConfigError):
                change()
        assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda text: text.replace("scrypt:1024", "scrypt:1023"), 2),
        (lambda text: text + text.splitlines(keepends=True)[1], 4),
        (lambda text: text[:-1], 3),
        (lambda text: text.replace(HEAD, HEAD + " "), 1),
        (lambda text: "", 1),
        (lambda text: text.replace("one", "o\rne"), 2),
        (lambda text: text + "\n", 4),
    ],
)
def test_the_line_that_is_wrong_is_named(store: Store, path: Path, spoil: Callable[[str], str], line: int) -> None:
    store.add("one")
    store.add("two")
    path.write_text(spoil(path.read_text()), newline="")
    with pytest.raises(ConfigError, match=f"line {line} of"):
        store.entries()


def test_a_file_that_is_too_large_is_refused(store: Store, path: Path) -> None:
    store.add("x")
    path.write_bytes(path.read_bytes() + b"x" * MOST_BYTES)
    with pytest.raises(ConfigError, match="over"):
        store.entries()


# --- whose file it is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(store: Store, path: Path, mode: int) -> None:
    store.add("x")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="another user"):
        store.entries()
    path.chmod(0o640)
    assert len(store.entries()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(store: Store, path: Path) -> None:
    store.add("x")
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="another user"):
        store.entries()


def test_a_pipe_or_a_folder_in_its_place_is_refused_at_once(store: Store, path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="not a file"):
        store.entries()
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError):
        store.entries()


# --- while it is written --------------------------------------------------------------------------------------


def adding(path: Path, name: str, count: int, most_bytes: int = 0) -> subprocess.Popen[str]:
    """A process that adds so many keys and tells the id of each; no file of it may grow over `most_bytes`."""
    command = [sys.executable, "-c", ADDER, str(path), name, str(count), str(most_bytes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_writers_lose_nothing(store: Store, path: Path) -> None:
    writers = [adding(path, name, 25) for name in ("one", "two")]
    told = [writer.communicate(timeout=60)[0].split() for writer in writers]
    assert [len(ids) for ids in told] == [25, 25]
    assert set(store.entries()) == {*told[0], *told[1]}


def test_a_writer_that_is_killed_leaves_a_whole_file_with_every_key_that_it_told_of(store: Store, path: Path) -> None:
    told: set[str] = set()
    for at in range(8):
        writer = adding(path, f"run {at}", 1000)
        assert writer.stdout is not None
        told.add(writer.stdout.readline().strip())  # it is at work
        ends = time.monotonic() + 0.003 * at  # and is killed at different moments of it
        while time.monotonic() < ends:
            pass
        writer.send_signal(signal.SIGKILL)
        told |= {line for line in writer.communicate(timeout=30)[0].split("\n") if len(line) == 8}
    entries = store.entries()
    assert told <= set(entries)
    assert len(told) >= 8
    store.add("afterwards")


def test_a_disk_that_is_full_leaves_the_file_as_it_was(store: Store, path: Path) -> None:
    store.add("x")
    before = path.read_bytes()
    writer = adding(path, "more", 1, most_bytes=len(before))
    _, complaint = writer.communicate(timeout=30)
    assert writer.returncode != 0
    assert "ConfigError: cannot write" in complaint
    assert path.read_bytes() == before
    assert sorted(one.name for one in path.parent.iterdir()) == ["hashes", "lock"]
