"""A reaper that is killed with births unread: the service ends, says why, and leaves nobody behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from promises.talking import connect
from running import running, state, wait_for

WAIT_S = 30.0


@pytest.mark.slow
def test_a_reaper_that_dies_with_births_unread(tmp_path: Path) -> None:
    with running(tmp_path) as service, connect(service) as call:
        reaper = service.reaper_pid
        os.kill(reaper, signal.SIGSTOP)
        call.connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        wait_for(service.instances, WAIT_S, "an instance at the gate")
        instances = service.instances()
        os.kill(reaper, signal.SIGKILL)
        assert service.process.wait(WAIT_S) == 1
        wait_for(lambda: not any(map(state, instances)), WAIT_S, "the instance to end")
        log = service.log
    assert "noghost: reaper_gone" in log
    assert "hint: " in log
    assert "Traceback" not in log
