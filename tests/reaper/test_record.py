"""The recorder on a disk that is full for a while: what could not be written is owed, and comes first afterwards."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.processes import run_in_child
from ledger.samples import MINUTE, number_id
from noghost.ledger.entry import Ended
from noghost.ledger.store import Ledger
from noghost.messages import Answer, Lookup, Open, Outcome, Wipe
from noghost.messages import Ended as LastWord
from noghost.reaper.record import LedgerRecorder, Stated
from noghost.reaper.wipe import Wiped

STATED = Stated(("11" * 32,), "0.1.0", "22" * 32, "33" * 32, "swap=none", "x86_64=avx2", "8192", "512")
LAST_WORD = LastWord(Outcome.ANSWERED, 3, 3)


def wanted(number: int) -> Open:
    return Open(bytes.fromhex(number_id(number)), 0, False, bytes(32))


def close(recorder: LedgerRecorder, number: int, last_word: LastWord | None = LAST_WORD) -> None:
    recorder.closed(wanted(number), Outcome.ANSWERED, Wipe.VERIFIED, Wiped(8192, 8192), last_word, 0)


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """No file of this process can grow beyond this one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_end_that_the_disk_cannot_take_is_written_once_it_can(tmp_path: Path) -> None:
    path = tmp_path / "ledger"

    def work() -> None:
        with Ledger.open(path) as ledger:
            recorder = LedgerRecorder(ledger, STATED)
            assert all(recorder.opened(wanted(number)) for number in range(3))
            assert recorder.durable()
            with full_disk(path / "tail"):
                for number in range(3):
                    close(recorder, number)
                assert not recorder.opened(wanted(3))
                assert not recorder.settle()
            assert recorder.opened(wanted(4))
            assert recorder.settle()

    run_in_child(work)
    with Ledger.open(path) as ledger:
        found = [(entry.kind, entry.id) for entry in ledger.entries()]
        assert found == [
            *(("opened", number_id(number)) for number in range(3)),
            *(("closed", number_id(number)) for number in range(3)),
            ("opened", number_id(4)),
        ]
        assert ledger.receipt(number_id(2)).verify().ended is not None


def test_an_answer_is_committed_to_by_a_last_word_that_says_so(tmp_path: Path) -> None:
    committed, bare = (LastWord(Outcome.ANSWERED, 3, 3, said, b"\x07" * 32) for said in (True, False))
    with Ledger.open(tmp_path / "ledger") as ledger:
        recorder = LedgerRecorder(ledger, STATED)
        for number, last_word in enumerate((committed, bare, None)):
            assert recorder.opened(wanted(number))
            close(recorder, number, last_word)
        found = [entry.commitment for entry in ledger.entries() if isinstance(entry, Ended)]
    assert found == ["07" * 32, "-", "-"]


def test_an_end_that_is_still_owed_when_the_service_stops_is_lost_and_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "ledger"

    def work() -> None:
        with Ledger.open(path) as ledger:
            recorder = LedgerRecorder(ledger, STATED)
            assert recorder.opened(wanted(1))
            with full_disk(path / "tail"):
                close(recorder, 1)
                assert not recorder.settle()

    run_in_child(work)
    with Ledger.open(path) as ledger:
        assert ledger.recover_lost(MINUTE) == 1
        assert list(ledger.entries())[-1] == Ended.lost(MINUTE, number_id(1))


def test_a_ledger_that_fails_does_not_deny_that_an_invocation_exists(tmp_path: Path) -> None:
    """Its receipt needs a signature, which cannot be written now."""
    path = tmp_path / "ledger"

    def work() -> None:
        with Ledger.open(path) as ledger:
            recorder = LedgerRecorder(ledger, STATED)
            assert recorder.opened(wanted(1))
            with full_disk(path / "lock"):
                assert recorder.lookup(Lookup(wanted(1).invocation)).answer == Answer.LEDGER_FAILED
                assert recorder.lookup(Lookup(wanted(2).invocation)).answer == Answer.NOT_FOUND
            assert recorder.lookup(Lookup(wanted(1).invocation)).answer == Answer.YES

    run_in_child(work)
