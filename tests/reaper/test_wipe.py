"""The wipe finds every own page, leaves what is shared, and says so when a page is not zero."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from noghost.errors import WipeError
from noghost.reaper import trace, wipe

CANARY = b"noghost-wipe-canary-7781"
BYTES = 8 << 20


@contextmanager
def stopped_child(prepare: object = None) -> Iterator[tuple[trace.Windows, int]]:
    """A traced child in its exit stop after `kill -9`, and the address of its canary."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        block = mmap.mmap(-1, BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        block[:] = CANARY.ljust(4096, b".") * (BYTES // 4096)
        if prepare:
            prepare(block)  # type: ignore[operator]
        os.write(writing, b"%d" % ctypes.addressof(ctypes.c_char.from_buffer(block)))
        signal.pause()
    address = int(os.read(reading, 32))
    windows = trace.attach(pid)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, trace.WALL)
    assert status >> 16 == trace.EVENT_EXIT
    try:
        yield windows, address
    finally:
        trace.resume(pid)
        assert os.waitpid(pid, trace.WALL) == (pid, signal.SIGKILL)
        windows.close()
        os.close(reading)
        os.close(writing)


def test_every_page_is_zero_afterwards() -> None:
    with stopped_child() as (windows, address):
        assert os.pread(windows.mem, len(CANARY), address) == CANARY, "control: it is there before"
        done = wipe.wipe(windows)
        assert done.wiped_bytes == done.verified_bytes >= BYTES
        assert not any(os.pread(windows.mem, BYTES, address))


def test_the_buffers_begin_with_a_page_and_hold_nothing_of_what_was_read() -> None:
    """Control: a verification without a wipe does read the canary, and says that it is there."""
    for buffer in (wipe._seen, wipe._zeros, wipe._entries):
        assert ctypes.addressof(buffer) % wipe.PAGE_BYTES == 0
    with stopped_child() as (windows, address):
        with pytest.raises(WipeError, match="was not zero"):
            wipe.verify(windows.mem, [(address, wipe.CHUNK_BYTES)])
        assert not any(wipe._seen.raw)
        with pytest.raises(WipeError, match="could not be read back"):
            wipe.verify(windows.mem, [(address, 4096), (wipe.PAGE_BYTES, 4096)])
        assert not any(wipe._seen.raw)
    assert not any(wipe._zeros.raw)


@pytest.mark.parametrize(("buffer", "ending"), [(wipe._seen, 0), (wipe._zeros, signal.SIGSEGV)], ids=["seen", "zeros"])
def test_nobody_can_write_to_the_zeros(buffer: ctypes.Array[ctypes.c_char], ending: int) -> None:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's own handler would tell of it
        buffer[0] = b"x"
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == ending


@pytest.mark.slow
def test_a_wipe_is_done_in_steps() -> None:
    """Between two of them others have their turn; each leaves a little more that is zero."""
    with stopped_child() as (windows, address):
        steps = wipe.wipe_in_steps(windows)
        left = [sum(map(bool, os.pread(windows.mem, BYTES, address)))]
        while True:
            try:
                next(steps)
            except StopIteration as end:
                done = end.value
                break
            left.append(sum(map(bool, os.pread(windows.mem, BYTES, address))))
        assert done.wiped_bytes == done.verified_bytes >= BYTES
        assert len(left) > BYTES // wipe.STEP_BYTES
        assert all(0 <= before - after <= wipe.STEP_BYTES for before, after in itertools.pairwise(left))
        assert left[0] == BYTES
        assert left[-1] == 0


def test_a_step_is_small_whatever_the_runs_are() -> None:
    runs = [(0, 4096)] * 1000 + [(1 << 30, 3 * wipe.CHUNK_BYTES + 4096), (1 << 40, wipe.CHUNK_BYTES - 4096)]
    runs += [(1 << 41, wipe.CHUNK_BYTES)]
    steps = list(wipe.steps_of(runs))
    assert sum(length for step in steps for _, length in step) == sum(length for _, length in runs)
    assert all(0 < len(step) <= wipe.STEP_RUNS for step in steps)
    assert all(sum(length for _, length in step) <= wipe.STEP_BYTES for step in steps)


def test_mappings_that_touch_are_looked_at_as_one() -> None:
    assert list(wipe.joined([(1, 2), (2, 5), (6, 7), (7, 8), (8, 9), (20, 30)])) == [(1, 5), (6, 9), (20, 30)]
    assert list(wipe.joined([])) == []


def test_pages_made_read_only_are_wiped_too() -> None:
    def protect(block: mmap.mmap) -> None:
        libc = ctypes.CDLL(None)
        start = ctypes.addressof(ctypes.c_char.from_buffer(block))
        assert libc.mprotect(ctypes.c_void_p(start), BYTES, 1) == 0  # PROT_READ

    with stopped_child(protect) as (windows, address):
        wipe.wipe(windows)
        assert not any(os.pread(windows.mem, BYTES, address))


def test_pages_shared_with_the_parent_are_left_alone() -> None:
    shared = mmap.mmap(-1, BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    shared[:] = CANARY.ljust(4096, b"+") * (BYTES // 4096)
    with stopped_child() as (windows, _):
        wipe.wipe(windows)
        start = ctypes.addressof(ctypes.c_char.from_buffer(shared))
        assert os.pread(windows.mem, len(CANARY), start) == CANARY
    assert shared[: len(CANARY)] == CANARY


def test_a_page_that_is_not_zero_is_said_and_not_hidden() -> None:
    with stopped_child() as (windows, address):
        with pytest.raises(WipeError, match="not zero"):
            wipe.verify(windows.mem, [(address, wipe.CHUNK_BYTES)])
        wipe.wipe(windows)


def test_a_step_that_fails_spares_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    verify, seen = wipe.verify, list[int]()

    def fail_once(mem: int, step: wipe.Runs) -> int:
        seen.append(verify(mem, step))
        if len(seen) == 1:
            raise WipeError("the first step failed")
        return seen[-1]

    monkeypatch.setattr(wipe, "verify", fail_once)
    with stopped_child() as (windows, address):
        with pytest.raises(WipeError, match="the first step"):
            wipe.wipe(windows)
        assert len(seen) > 1
        assert not any(os.pread(windows.mem, BYTES, address))


def test_what_cannot_be_written_is_said() -> None:
    with stopped_child() as (windows, _), pytest.raises(WipeError, match="could not be zeroed"):
        wipe.zero(windows.mem, [(1 << 46, 4096)])


def test_a_page_that_cannot_be_written_spares_no_other() -> None:
    """Neither those after it in its run, nor the runs after that."""

    def unmap(block: mmap.mmap) -> None:
        start = ctypes.addressof(ctypes.c_char.from_buffer(block))
        assert ctypes.CDLL(None).munmap(ctypes.c_void_p(start + 4096), ctypes.c_size_t(4096)) == 0

    with stopped_child(unmap) as (windows, address):
        with pytest.raises(WipeError, match=r"^4096 bytes could not be zeroed$"):
            wipe.zero(windows.mem, [(address, 3 * 4096), (address + 8 * 4096, 4096)])
        around = [os.pread(windows.mem, 4096, address + page * 4096) for page in (0, 2, 8)]
        assert not any(map(any, around))
        assert os.pread(windows.mem, len(CANARY), address + 3 * 4096) == CANARY, "control: it was there"


def test_more_kills_during_the_exit_stop_change_nothing() -> None:
    with stopped_child() as (windows, address):
        for _ in range(100):
            os.kill(windows.pid, signal.SIGKILL)
        assert os.waitpid(windows.pid, trace.WALL | os.WNOHANG) == (0, 0)
        assert wipe.wipe(windows).verified_bytes >= BYTES
        assert not any(os.pread(windows.mem, 4096, address))
