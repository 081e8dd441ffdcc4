"""The ASGI app: built once in the warden, before any fork; it runs in instances only."""

from __future__ import annotations

from fastapi import FastAPI

from noghost import __version__
from noghost.api import chat, completions, embeddings, errors, life, messages, responses, sealed, service, tokens
from noghost.api.body import WholeBody
from noghost.api.document import install_document
from noghost.api.host import KnownHost
from noghost.api.keys import AsksKey
from noghost.api.page import install_page

DESCRIPTION = (
    "Language models that exist only when invoked. Every request to this service is answered by a process of its "
    "own, whose memory is zeroed and checked when it ends. Nothing is stored; what is to be kept, the caller keeps."
)


def make_app(*, voice: bool = False) -> FastAPI:
    """All endpoints, with the API's own errors; with `voice` those that hear and speak. `app.state.here` is set in the
    instance."""
    app = FastAPI(
        title="noghost",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=None,  # document.py has it
        # On by default since FastAPI has it: spans, and a log of exceptions with their messages, for whatever
        # OpenTelemetry finds installed and configured on the host.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
        redirect_slashes=False,  # a redirect would repeat the caller's Host and cost a second process
    )
    app.include_router(chat.router)
    app.include_router(completions.router)
    app.include_router(responses.router)
    app.include_router(messages.router)
    app.include_router(embeddings.router)
    app.include_router(tokens.router)
    app.include_router(service.router)
    app.include_router(life.router)
    app.include_router(sealed.router)
    if voice:
        add_voice(app)
    app.add_middleware(WholeBody)
    app.add_middleware(AsksKey)
    app.add_middleware(KnownHost)  # added last, it comes first
    errors.install(app)
    install_document(app)
    install_page(app)
    return app


def add_voice(app: FastAPI) -> None:
    """What only a service with a voice imports."""
    from noghost.api import speech, transcriptions
    from noghost.api.realtime import door

    app.include_router(transcriptions.router)
    app.include_router(speech.router)
    app.include_router(door.router)
