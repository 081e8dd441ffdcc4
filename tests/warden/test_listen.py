"""What the warden puts off until nobody is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from running import private_bytes, wait_for
from warden.test_activation import get, listening, start

CACHE_BYTES = 180 << 20  # of 8,192 tokens of the default model: cleared, and given back at leisure
IDLE_BYTES = 100 << 20


@pytest.mark.slow
@pytest.mark.parametrize("knocks", [False, True], ids=["before anybody comes", "after the first answer"])
def test_the_cleared_cache_is_given_back(tmp_path: Path, knocks: bool) -> None:
    """Where somebody knocked before it listened, that one is answered first."""
    with listening() as supervisor, start(tmp_path, supervisor, "--context", "8192") as warden:
        if knocks:
            assert b"200 OK" in get(supervisor.getsockname()[1])
        assert warden.stdout is not None
        assert warden.stdout.readline().startswith("listening on ")
        wait_for(lambda: 0 < private_bytes(warden.pid) < IDLE_BYTES, 10, "the cache to be given back")
        warden.terminate()


@pytest.mark.slow
def test_control_it_was_there(tmp_path: Path) -> None:
    """The warden had all of it in its memory once: its peak says so."""
    with listening() as supervisor, start(tmp_path, supervisor, "--context", "8192") as warden:
        assert warden.stdout is not None
        warden.stdout.readline()
        status = Path(f"/proc/{warden.pid}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
        warden.terminate()
    assert peak > CACHE_BYTES
