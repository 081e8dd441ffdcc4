"""The file: atomic, durable, locked; what somebody else has written is never overwritten."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from client.transcript.made import SHORT, STARTED
from ledger.processes import forked
from noghost.client.transcript import Transcript, TranscriptChanged, TranscriptError, TranscriptFile, Turn
from noghost.ledger import files

WRITER = """
import sys
from noghost.client.transcript import TranscriptError, TranscriptFile, Turn
file, done = TranscriptFile(sys.argv[1]), 0
while done < 25:
    try:
        file.read()
        file.append(Turn("user", f"{sys.argv[2]} {done}"))
        done += 1
    except TranscriptError:
        pass
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "talk.md"
    path.write_text(SHORT)
    return path


def test_created_appended_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new.md"
    file = TranscriptFile(path)
    file.create(Transcript("Conversation", "m", STARTED))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.append(Turn("user", "a"), Turn("assistant", "b", {"seed": 1}))
    file.append(Turn("user", "c"))
    assert [turn.text for turn in TranscriptFile(path).read().turns] == ["a", "b", "c"]
    assert sorted(tmp_path.iterdir()) == [path]


def test_what_is_there_is_not_created_anew(path: Path, tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"something in .* already"):
        TranscriptFile(path).create(Transcript("Conversation", "m", STARTED))
    assert path.read_text() == SHORT
    empty = tmp_path / "empty.md"
    empty.touch()
    TranscriptFile(empty).create(Transcript("Conversation", "m", STARTED))
    assert TranscriptFile(empty).read().model == "m"


def test_mode_and_link_stay(path: Path, tmp_path: Path) -> None:
    path.chmod(0o664)
    link = tmp_path / "link.md"
    link.symlink_to(path)
    TranscriptFile(link).append(Turn("user", "a"))
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o664
    assert path.read_text().startswith(SHORT)


def test_an_editor_is_noticed_and_its_words_stay(path: Path) -> None:
    file = TranscriptFile(path)
    file.read()
    assert not file.is_changed()
    edited = SHORT.replace("Hello.", "Hullo.")
    path.write_text(edited)
    assert file.is_changed()
    with pytest.raises(TranscriptChanged, match="was changed since"):
        file.append(Turn("user", "a"))
    assert path.read_text() == edited
    file.read()
    file.append(Turn("user", "a"))
    assert path.read_text() == edited + "**USER:**\n\na\n\n---\n\n"


def test_an_editor_is_noticed_at_the_last_moment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes while the new file is being made: after the comparison, before the exchange."""
    real = files.write_durably

    def write_while_another_writes(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        path.write_text(SHORT + "x")

    monkeypatch.setattr(files, "write_durably", write_while_another_writes)
    with pytest.raises(TranscriptChanged):
        TranscriptFile(path).append(Turn("user", "a"))
    assert path.read_text() == SHORT + "x"
    assert list(path.parent.iterdir()) == [path]


def test_a_malformed_file_is_not_written(path: Path) -> None:
    for bad in (SHORT[:-6], "", "notes\n"):
        path.write_text(bad)
        with pytest.raises(TranscriptError, match="line"):
            TranscriptFile(path).append(Turn("user", "a"))
        assert path.read_text() == bad


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    bad = SHORT.encode().replace(b"Hello.", b"\xff")
    path.write_bytes(bad)
    with pytest.raises(TranscriptError, match="line 8: it is not UTF-8"):
        TranscriptFile(path).append(Turn("user", "a"))
    assert path.read_bytes() == bad


def test_half_of_a_surrogate_pair_is_refused_and_loses_nothing(path: Path) -> None:
    file = TranscriptFile(path)
    with pytest.raises(TranscriptError, match="line 22: half of a surrogate pair"):
        file.append(Turn("user", "\ud800"))
    assert path.read_text() == SHORT
    file.append(Turn("user", "a"))


def test_the_second_writer_is_told(path: Path) -> None:
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(TranscriptError, match="another process writes"):
            TranscriptFile(path).append(Turn("user", "a"))
    assert path.read_text() == SHORT
    TranscriptFile(path).append(Turn("user", "a"))


def test_two_writers_at_once_lose_no_turn(path: Path) -> None:
    """Two real processes that append until each has written 25 turns; whoever is refused reads again."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, name]) for name in ("one", "two")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    texts = [turn.text for turn in TranscriptFile(path).read().turns[2:]]
    for name in ("one", "two"):
        assert [text for text in texts if text.startswith(name)] == [f"{name} {n}" for n in range(25)]


def test_whoever_locks_a_file_that_has_lost_its_name_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another appends, all of it, after this one has opened the file and before it locks it."""
    real = fcntl.flock

    def lock_late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        TranscriptFile(path).append(Turn("user", "theirs"))
        monkeypatch.setattr(files, "write_durably", None)  # whoever would come that far spoils another's new file
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    file = TranscriptFile(path)
    with pytest.raises(TranscriptChanged):
        file.append(Turn("user", "mine"))
    assert [turn.text for turn in TranscriptFile(path).read().turns[2:]] == ["theirs"]


def test_a_crash_at_every_file_operation_leaves_the_old_file_or_the_new_one(path: Path) -> None:
    step, seen = 0, set()
    while not append_dying_at(path, step):
        seen.add(tuple(turn.text for turn in TranscriptFile(path).read().turns[2:]))
        path.write_text(SHORT)
        step += 1
    assert seen == {(), ("a",)}
    assert step > 4
    assert list(path.parent.iterdir()) == [path], "nothing is left of the crashes before"


def append_dying_at(path: Path, step: int) -> bool:
    """Append in a child that dies at its step-th open, rename or unlink; True if it got through."""

    def work(writer: int) -> None:
        left = step

        def die(event: str, _: object) -> None:
            nonlocal left
            if event in ("open", "os.rename", "os.remove"):
                left -= 1
                if left < 0:
                    os._exit(9)

        sys.addaudithook(die)
        TranscriptFile(path).append(Turn("user", "a"))
        os.write(writer, b"through")

    with forked(work) as (_, reports):
        return reports.read() == b"through"


def test_a_disk_that_does_not_keep_it_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sync is the new file's, before it gets the name."""

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TranscriptError, match="cannot write the transcript: input/output error"):
        TranscriptFile(path).append(Turn("user", "a"))
    assert path.read_text() == SHORT
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(path: Path) -> None:
    """The kernel refuses to write beyond a limit of the process; half of a file is not left either."""
    code = (
        "import resource, signal, sys; from noghost.client.transcript import *;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: TranscriptFile(sys.argv[1]).append(Turn('user', 'x' * 5000))\n"
        "except TranscriptError as error: print(error.message)"
    )
    told = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, text=True).stdout
    assert told == "cannot write the transcript: file too large\n"
    assert path.read_text() == SHORT
    assert list(path.parent.iterdir()) == [path]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="no such file"):
        TranscriptFile(tmp_path / "none.md").append(Turn("user", "a"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TranscriptError, match="no regular file"):
        TranscriptFile(tmp_path / "pipe").create(Transcript("Conversation", "m", STARTED))
