"""A reaper that can open nothing turns newcomers away, wipes those that end, and goes on when it can again."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

import pytest

from faults.host import limited
from noghost.ledger.entry import Ended
from noghost.ledger.store import Ledger
from promises.talking import say, say_long
from running import descriptors, running, wait_for

WAIT_S = 60.0


@pytest.mark.slow
def test_a_reaper_short_of_descriptors_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        reaper = service.reaper_pid
        with say_long(service, "Tell me a long story.") as under_way:
            invocation = under_way.invocation
            with limited(reaper, resource.RLIMIT_NOFILE, descriptors(reaper)):
                for _ in range(3):
                    with say(service, "Hello.", max_tokens=1) as turned_away, contextlib.suppress(OSError):
                        assert not turned_away.read_all(), "control: nothing is answered meanwhile"
                under_way.connection.close()
                wait_for(lambda: not service.instances(), WAIT_S, "every instance to end")
        with say(service, "Hello.", max_tokens=1) as answered:
            assert b" 200 " in answered.read_all()[:16]
        assert service.reaper_pid == reaper
        assert service.stop() == 0
        with Ledger.open(service.ledger) as ledger:
            ends = {entry.id: entry for entry in ledger.entries() if isinstance(entry, Ended)}
    assert len(ends) == 2, "nobody who was turned away is recorded"
    assert ends[invocation].wipe == "verified"
