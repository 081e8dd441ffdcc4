"""A rehearsal leaves nothing behind: no descriptor, no invocation, no event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from noghost.api.app import make_app
from noghost.api.connection import uvicorn_config
from noghost.api.rehearse import CONNECTIONS, rehearse, rehearse_connections
from noghost.config import Limits
from noghost.messages import Outcome


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:There is no current event loop")
def test_nothing_is_left_of_the_connections_that_were_rehearsed() -> None:
    app, limits = make_app(), Limits()
    settings = uvicorn_config(app, limits)
    rehearse(app)
    before = descriptors()
    assert rehearse_connections(app, settings, limits) == [Outcome.ANSWERED] * CONNECTIONS, "control: they are answered"
    assert descriptors() == before
    assert not hasattr(app.state, "here")
    with pytest.raises(RuntimeError):
        asyncio.get_event_loop_policy().get_event_loop()


def descriptors() -> set[str]:
    """The process's own."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}
