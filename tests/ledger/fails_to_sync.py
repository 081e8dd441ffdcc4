"""A ledger on a disk that cannot sync. Run with failing_sync.c preloaded, by test_ledger_failing_sync.py.

python fails_to_sync.py CASE DIRECTORY FLAG
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from noghost.errors import LedgerError
from noghost.ledger.store import Ledger

sys.path.insert(0, str(Path(__file__).parent.parent))
from ledger.samples import MINUTE, birth, filled, number_id

syncs_until_failure = ctypes.c_int.in_dll(ctypes.CDLL(None), "syncs_until_failure")


def refuses(call: Callable[[], object]) -> None:
    """LedgerError, whatever is asked."""
    try:
        call()
    except LedgerError:
        return
    raise AssertionError("it claimed to have done what cannot be done now")


def open_descriptors() -> int:
    """Of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def recovers(path: Path, flag: Path) -> None:
    """Nothing is claimed while no sync succeeds; everything is there afterwards, in the same object, in a new file."""
    with filled(path, 2) as ledger:
        ledger.sync()
        ledger.append(birth(2))
        before = (path / "tail").stat().st_ino
        flag.touch()
        for _ in range(3):
            for call in (ledger.sync, ledger.checkpoint, ledger.verify_all, lambda: ledger.append(birth(3))):
                refuses(call)
        open_files = open_descriptors()
        flag.unlink()
        ledger.sync()
        assert open_descriptors() <= open_files
        assert (path / "tail").stat().st_ino != before, "a file whose sync failed once must not be trusted again"
        assert ledger.append(birth(3)) == 3
        assert ledger.verify_all().size == 4
    with Ledger.open(path) as ledger:
        assert [entry.id for entry in ledger.entries()] == [number_id(n) for n in range(4)]


def stays_closed(path: Path, flag: Path) -> None:
    """What was appended is gone from the disk when it works again: as on a file system that drops what failed."""
    with filled(path, 3) as ledger:
        ledger.sync()
        durable = (path / "tail").stat().st_size
        ledger.append(birth(3))
        flag.touch()
        refuses(ledger.sync)
        flag.unlink()
        os.truncate(path / "tail", durable)
        for call in (ledger.sync, lambda: ledger.append(birth(4)), ledger.checkpoint, ledger.sync):
            refuses(call)
    with Ledger.open(path) as ledger:  # a new start: no invocation relies on that entry any more
        assert ledger.recover_lost(MINUTE) == 3
        assert ledger.verify_all().size == 6


def every_step(path: Path, flag: Path) -> None:
    """Each single sync of an append, a sealing, a signature and a start fails once; the next call mends it."""
    with filled(path / "start", 256) as ledger:
        ledger.sync()
    step, survived = 0, False
    while not survived:
        here = path / f"fails-{step}"
        shutil.copytree(path / "start", here)
        survived = one_failure(here, step)
        with Ledger.open(here) as ledger:
            assert [entry.id for entry in ledger.entries()] == [number_id(n) for n in range(258)]
            assert ledger.verify_all().signed == 258
        step += 1
    assert step > 8, step


def one_failure(path: Path, step: int) -> bool:
    """True when `step` is beyond the last sync."""
    with Ledger.open(path) as ledger:
        open_files = open_descriptors()
        syncs_until_failure.value = step
        for number in (256, 257):
            again(lambda n=number: ledger.append(birth(n)))  # type: ignore[misc]  # bound now
            again(ledger.sync)
        again(ledger.checkpoint)
        survived = syncs_until_failure.value >= 0
        syncs_until_failure.value = -1
        assert ledger.size == 258
        assert open_descriptors() == open_files
        return survived


def again(call: Callable[[], object]) -> None:
    """Once more after a failure, and no more than once."""
    try:
        call()
    except LedgerError:
        call()


CASES = {case.__name__: case for case in (recovers, stays_closed, every_step)}

if __name__ == "__main__":
    CASES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
