"""What the instances of a service speak over their connections: HTTP or Wyoming's events. In the warden, before fork.

What each needs is imported here, and nothing of the other.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from noghost.api.equipment import Equipment
from noghost.api.here import Here
from noghost.api.upstream.remote import Remote
from noghost.config import Config, Limits
from noghost.keys.key import Keys
from noghost.messages import Outcome

if TYPE_CHECKING:
    from starlette.applications import Starlette


@dataclass(frozen=True, slots=True)
class Spoken:
    """A protocol, ready for every instance."""

    serve: Callable[[Equipment, Here], Outcome]
    hosts: frozenset[str] | None = None  # whom requests may be for
    remotes: tuple[Remote, ...] = ()
    app: Starlette | None = None  # a mind is asked through it too
    rehearse: Callable[[], object] = lambda: None  # in the warden: spares its instances what it went through itself


def spoken_by(config: Config, models: Sequence[str], keys: Keys | None, tls: ssl.SSLContext | None) -> Spoken:
    """What a service speaks; `models` are the names of its own."""
    return over_wyoming(config.limits) if config.wyoming else over_http(config, models, keys, tls)


def over_http(config: Config, models: Sequence[str], keys: Keys | None, tls: ssl.SSLContext | None) -> Spoken:
    """The OpenAI-compatible API."""
    from noghost.api.app import make_app
    from noghost.api.connection import serve_connection, uvicorn_config
    from noghost.api.host import hosts_of
    from noghost.api.rehearse import make_whole, rehearse
    from noghost.api.upstream import remotes_for

    app = make_app(voice=config.voice)
    remotes = remotes_for(config, app, models)
    settings = uvicorn_config(app, config.limits, voice=config.voice)
    make_whole(app, keys)
    return Spoken(
        lambda equipment, now: serve_connection(settings, app, equipment, now, tls),
        hosts_of(config),
        remotes,
        app,
        partial(rehearse, app, settings, config.limits),
    )


def over_wyoming(limits: Limits) -> Spoken:
    """Home Assistant's protocol."""
    from noghost.api.wyoming.rehearse import rehearse
    from noghost.api.wyoming.talk import serve_wyoming

    rehearse(limits)
    return Spoken(serve_wyoming)
