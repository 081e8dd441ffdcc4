"""Crashes: kill -9 at any moment, at every file operation of a sealing, and a full disk."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ledger.processes import forked, run_in_child
from ledger.samples import birth, fill, filled, number_id
from noghost.errors import LedgerError
from noghost.ledger.store import Ledger

KILLS = 100
ROUND = 1_000_000  # ids of one round start at its number times this


def append_for_ever(path: Path, first: int, writer: int) -> None:
    """Append and sync, reporting each acknowledged "index id"; sign now and then."""
    with Ledger.open(path) as ledger:
        for number in range(first, first + ROUND):
            index = ledger.append(birth(number))
            ledger.sync()
            os.write(writer, b"%d %d\n" % (index, number))
            if number % 7 == 0:
                ledger.checkpoint()


def kill_at_random(path: Path, first: int, chance: random.Random) -> dict[int, int]:
    """Let a child append, kill it after some acknowledgements and some microseconds more."""
    acknowledged: dict[int, int] = {}
    wanted, pause_s = chance.randrange(0, 40), chance.random() * 0.002
    with forked(lambda writer: append_for_ever(path, first, writer)) as (pid, reports):
        lines = [reports.readline() for _ in range(wanted)]
        until = time.perf_counter() + pause_s
        while time.perf_counter() < until:
            pass
        os.kill(pid, signal.SIGKILL)
        lines += reports.readlines()
    for line in lines:
        index, number = line.split()
        acknowledged[int(index)] = int(number)
    return acknowledged


@pytest.mark.slow
def test_kill_9_loses_no_acknowledged_entry(tmp_path: Path) -> None:
    path, chance = tmp_path / "ledger", random.Random(20260301)
    acknowledged: dict[int, int] = {}
    for kill in range(KILLS):
        news = kill_at_random(path, kill * ROUND, chance)
        assert not acknowledged.keys() & news.keys()
        acknowledged |= news
    assert len(acknowledged) > KILLS
    assert find_lost(path, acknowledged) == []


def test_an_entry_acknowledged_too_early_is_found_lost(tmp_path: Path) -> None:
    """The control: the check of the test above sees an entry that was promised and not written."""
    path = tmp_path / "ledger"

    def work(writer: int) -> None:
        with filled(path, 5) as ledger:
            ledger.sync()
            os.write(writer, b"written\n")
            signal.pause()

    with forked(work) as (pid, reports):
        assert reports.readline() == b"written\n"
        os.kill(pid, signal.SIGKILL)
    assert find_lost(path, {n: n for n in range(5)}) == []
    assert find_lost(path, {n: n for n in range(6)}) == [5]


def find_lost(path: Path, acknowledged: dict[int, int]) -> list[int]:
    """The acknowledged indexes that do not hold the entry of that number; checks the whole log too."""
    with Ledger.open(path) as ledger:
        ids = [entry.id for entry in ledger.entries()]
        assert ledger.verify_all().size == len(ids)
    return [i for i, number in acknowledged.items() if i >= len(ids) or ids[i] != number_id(number)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [256, 512])
def test_a_crash_at_every_file_operation_of_a_sealing(tmp_path: Path, count: int) -> None:
    with filled(tmp_path / "start", count) as ledger:
        ledger.sync()
    survived, step = False, 0
    while not survived:
        path = tmp_path / f"crash-{step}"
        shutil.copytree(tmp_path / "start", path)
        survived = _append_dying_at(path, birth_number=count, step=step)
        with Ledger.open(path) as ledger:
            assert ledger.size == count + survived
            assert ledger.append(birth(count + survived)) == count + survived
            assert ledger.verify_all().size == count + survived + 1
            assert [entry.id for entry in ledger.entries()] == [number_id(n) for n in range(ledger.size)]
        step += 1
    assert step > 8


def _append_dying_at(path: Path, birth_number: int, step: int) -> bool:
    """Append in a child that dies at its step-th open, rename, mkdir or unlink; True if it got through."""

    def work(writer: int) -> None:
        left = step

        def die(event: str, _: object) -> None:
            nonlocal left
            if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"):
                left -= 1
                if left < 0:
                    os._exit(9)

        with Ledger.open(path) as ledger:
            sys.addaudithook(die)
            ledger.append(birth(birth_number))
            os.write(writer, b"through")

    with forked(work) as (_, reports):
        return reports.read() == b"through"


def test_two_processes_append_at_once(tmp_path: Path) -> None:
    path, each = tmp_path / "ledger", 400

    def work(first: int, writer: int) -> None:
        with Ledger.open(path) as ledger:
            for number in range(first, first + each):
                index = ledger.append(birth(number))
                if number % 50 == 0:
                    ledger.checkpoint()
                os.write(writer, b"%d %d\n" % (index, number))
            ledger.sync()

    with (
        forked(lambda writer: work(0, writer)) as (_, one),
        forked(lambda writer: work(ROUND, writer)) as (_, two),
    ):
        lines = one.readlines() + two.readlines()
    number_by_index = {int(index): int(number) for index, number in map(bytes.split, lines)}
    with Ledger.open(path) as ledger:
        assert sorted(number_by_index) == list(range(2 * each))
        ids = [entry.id for entry in ledger.entries()]
        assert ids == [number_id(number_by_index[i]) for i in range(2 * each)]
        assert ledger.verify_all().size == 2 * each


def test_a_file_size_limit_leaves_no_torn_record(tmp_path: Path) -> None:
    path = tmp_path / "ledger"

    def work() -> None:
        with filled(path, 20) as ledger:
            ledger.checkpoint()
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            size_bytes = (path / "tail").stat().st_size
            for room_bytes in (0, 1, 2, 100):
                resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes + room_bytes, hard))
                with pytest.raises(LedgerError, match="append"):
                    ledger.append(birth(20))
                assert (path / "tail").stat().st_size == size_bytes
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            assert ledger.append(birth(20)) == 20
            assert ledger.verify_all().size == 21

    run_in_child(work)
    with Ledger.open(path) as ledger:
        assert ledger.size == 21


def test_a_full_disk_and_then_room_again(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs is not permitted here; the file size limit is tested instead")
    try:
        _fill_the_disk(disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _fill_the_disk(disk: Path) -> None:
    with filled(disk / "ledger", 250) as ledger:
        ledger.checkpoint()
        for room_bytes in range(0, 200_000, 8192):
            _leave_room(disk, room_bytes)
            with suppress(LedgerError):
                fill(ledger, 12, first=ledger.size)  # more than the last page of a file has room for
                ledger.sync()
                ledger.checkpoint()
        (disk / "ballast").write_bytes(b"")
        size = ledger.size
        assert 250 < size < 250 + 12 * 25
        assert ledger.append(birth(size)) == size
        assert ledger.verify_all().size == size + 1
        ledger.checkpoint()
    with Ledger.open(disk / "ledger") as ledger:
        assert [entry.id for entry in ledger.entries()] == [number_id(n) for n in range(size + 1)]


def _leave_room(disk: Path, room_bytes: int) -> None:
    """Fill the disk up to `room_bytes`."""
    with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    os.truncate(disk / "ballast", max(0, (disk / "ballast").stat().st_size - room_bytes))
