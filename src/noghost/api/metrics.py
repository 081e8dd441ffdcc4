"""What a scrape is answered: the counts, as they were at its birth. In an instance, which holds nothing else.

Covered: whatever is sent here, the answer is the closed list of metrics.py or an error that repeats nothing; the bounds
and the check of the Host are those of every other request.
Not covered: who asks. There is no key and no TLS; the address decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from noghost.api import errors
from noghost.api.body import WholeBody
from noghost.api.host import KnownHost
from noghost.metrics import CONTENT_TYPE, exposition

PATH = "/metrics"


def make_metrics_app(numbers: Callable[[], Sequence[int]]) -> Starlette:
    """One path. In the warden, before any fork; `numbers` is asked in the instance."""

    async def metrics(_request: Request) -> Response:
        return Response(exposition(numbers()), headers={"content-type": CONTENT_TYPE})

    app = Starlette(routes=[Route(PATH, metrics)], middleware=[Middleware(KnownHost), Middleware(WholeBody)])
    errors.install(app)
    return app
