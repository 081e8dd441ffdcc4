"""Models that somebody else serves: the request goes on, the answer comes back. Runs in an instance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from noghost.config import Config

if TYPE_CHECKING:
    from noghost.api.upstream.remote import Remote


def remotes_for(config: Config, app: Starlette, taken: Iterable[str]) -> tuple[Remote, ...]:
    """Get `app` ready for the remote models of a service whose own are called `taken`. In the warden, before fork.

    What it imports stays in the idle memory: only where there are any. Raises ConfigError.
    """
    if not config.upstreams:
        return ()
    from noghost.api.upstream.ready import install, remotes_of

    install(app)
    return remotes_of(config, taken)
