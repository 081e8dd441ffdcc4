"""A wipe is done in steps, and between two of them births are let in, seats given, and lines heard."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from promises.talking import say
from running import running, state, wait_for

ENDLESS = str(Path(__file__).with_name("endless.py"))


@pytest.mark.slow
def test_others_are_born_and_compute_while_one_is_wiped(tmp_path: Path) -> None:
    held = tmp_path / "held"
    with running(tmp_path, command=(sys.executable, ENDLESS, str(held))) as service:
        held.touch()
        with say(service, "Hello.", max_tokens=1) as first:
            assert b" 200 " in first.read_all()[:16]
        (ended,) = service.instances()
        wait_for(lambda: state(ended) == "t", 10, "the first to stop at its exit")
        with say(service, "Hello again.", max_tokens=1) as second:
            assert b" 200 " in second.read_all()[:16]
        assert state(ended) == "t", "control: its wipe goes on"
        assert len(service.instances()) == 2
        held.unlink()
        wait_for(lambda: not service.instances(), 10, "both to be wiped and gone")
