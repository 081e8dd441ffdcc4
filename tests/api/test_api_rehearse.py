"""A rehearsal leaves nothing behind: no descriptor, no invocation, no event loop; and the first instance, which comes
before it, imports and opens nothing of what it would.

Not covered: what only a request with a model reaches (tests/instance/test_gives_nothing_back.py); what
OpenSSL would open.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from noghost.api.app import make_app
from noghost.api.connection import uvicorn_config
from noghost.api.rehearse import CONNECTIONS, make_whole, rehearse
from noghost.config import Limits
from noghost.messages import Outcome


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:There is no current event loop")
def test_nothing_is_left_of_the_connections_that_were_rehearsed() -> None:
    app, limits = make_app(), Limits()
    settings = uvicorn_config(app, limits)
    make_whole(app)
    before = descriptors()
    assert rehearse(app, settings, limits) == [Outcome.ANSWERED] * CONNECTIONS, "control: they are answered"
    assert descriptors() == before
    assert not hasattr(app.state, "here")
    with pytest.raises(RuntimeError):
        asyncio.get_event_loop_policy().get_event_loop()


@pytest.mark.slow
@pytest.mark.parametrize("voice", [(), ("voice",)], ids=["text", "voice"])
def test_what_is_made_whole_imports_and_opens_nothing_more(voice: tuple[str, ...]) -> None:
    assert late(*voice) == {"found": [], "unbuilt": []}
    mutant = late("unmade", *voice)["found"]
    assert any("anyio" in one for one in mutant)
    assert any("x25519" in one for one in mutant), "control: without it there would be more"


def late(*how: str) -> dict[str, list[str]]:
    """What is still imported and opened, and what is not built even then."""
    program = [sys.executable, Path(__file__).with_name("rehearsed_late.py"), *how]
    done = subprocess.run(program, check=True, capture_output=True, timeout=120)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def descriptors() -> set[str]:
    """The process's own."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}
