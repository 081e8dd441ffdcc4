"""An arena is zeroed and read back before it goes; a page that cannot be is a failure."""

from __future__ import annotations

import fcntl
import os

import pytest

from noghost.arena import ARENA_BYTES
from noghost.errors import WipeError
from noghost.reaper.arenas import Arena, touched, zero_arena
from noghost.reaper.wipe import PAGE_BYTES


def test_every_touched_page_is_zero_afterwards() -> None:
    arena = Arena()
    memory = os.dup(arena.descriptors[0])
    os.pwrite(memory, b"content", 5000)
    os.pwrite(memory, os.urandom(300_000), 1_100_000)
    held = sum(length for _, length in touched(memory))
    assert 300_000 < held < 400_000, "what was never touched costs nothing"
    done = arena.wipe(zero_arena)
    assert done.wiped_bytes == done.verified_bytes == held
    assert os.pread(memory, ARENA_BYTES, 0) == bytes(ARENA_BYTES)
    os.close(memory)


def test_nobody_can_give_its_pages_back_early() -> None:
    memory = Arena().descriptors[0]
    with pytest.raises(PermissionError):
        os.ftruncate(memory, PAGE_BYTES)


def test_a_page_that_cannot_be_zeroed_fails() -> None:
    memory = os.memfd_create("kept", os.MFD_ALLOW_SEALING)
    os.write(memory, b"content")
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    with pytest.raises((WipeError, OSError)):
        zero_arena(memory)
    os.close(memory)
