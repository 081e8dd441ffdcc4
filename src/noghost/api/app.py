"""The ASGI app: built once in the warden, before any fork; it runs in instances only."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute

from noghost.api import chat, completions, embeddings, errors, life, messages, responses, sealed, service, tokens
from noghost.api.body import WholeBody
from noghost.api.document import document_routes
from noghost.api.host import KnownHost
from noghost.api.keys import AsksKey
from noghost.api.page import page_route

# What the document has, in its order.
ENDPOINTS = [
    *chat.endpoints,
    *completions.endpoints,
    *responses.endpoints,
    *messages.endpoints,
    *embeddings.endpoints,
    *tokens.endpoints,
    *service.endpoints,
    *life.endpoints,
]


def make_app(*, voice: bool = False) -> Starlette:
    """All endpoints, with the API's own errors; with `voice` those that hear and speak. `app.state.here` is set in the
    instance."""
    routes: list[BaseRoute] = [one.route() for one in ENDPOINTS]
    routes += [
        Route(sealed.PATH, sealed.unsealed, methods=["GET", "POST"]),
        *document_routes(),
        page_route(voice=voice),
    ]
    if voice:
        routes += voice_routes()
    app = Starlette(routes=routes, middleware=[Middleware(one) for one in (KnownHost, AsksKey, WholeBody)])
    app.router.redirect_slashes = False  # a redirect would repeat the caller's Host and cost a second process
    errors.install(app)
    return app


def voice_routes() -> list[BaseRoute]:
    """What only a service with a voice imports."""
    from noghost.api import speech, transcriptions
    from noghost.api.realtime import door

    heard = [one.route() for one in (*speech.endpoints, *transcriptions.endpoints)]
    return [*heard, WebSocketRoute(door.PATH, door.realtime)]
