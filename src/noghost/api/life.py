"""The end of an instance, for its own caller: a key in a header of the request, and later the same for the end. In an
instance.

Covered: who has the key is told times and pages of that one invocation; who has another is told that there is nothing.
Not covered: who else was given the key.
"""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request

from noghost.api.endpoints import Endpoints
from noghost.api.here import here
from noghost.api.key_headers import bytes_of, described
from noghost.errors import RequestError
from noghost.messages import Fate, Outcome, Wipe
from noghost.timeline import ms

HEADER = "noghost-life-key"
NO_KEY = f"send the header {HEADER} that the request had whose end is asked for"
NOTHING = (
    "no end is known to which this is the key: the instance is not gone yet, computed nothing, or is long gone: "
    "ask within two minutes of its end"
)
TO_LIFE = described(HEADER, "a random key as hex: with it GET /v1/life tells for two minutes how the instance ended")
endpoints = Endpoints()


def digest_of(headers: Headers) -> bytes | None:
    """SHA-256 of the key that a request brings, or None; RequestError."""
    key = bytes_of(headers, HEADER)
    return None if key is None else hashlib.sha256(key).digest()


@endpoints.get("/v1/life", summary="How an instance of yours ended", openapi_extra={"parameters": [TO_LIFE]})
async def life(request: Request) -> dict[str, Any]:
    """Exact times from its knock and pages of its own; told by this service, and signed by nobody."""
    now = here(request)
    if now.tally.life is None:
        raise RequestError(NO_KEY, code="missing_required_parameter", param=HEADER)
    fate = now.recorder.fate(now.tally.life)
    if fate is None:
        raise RequestError(NOTHING, status=404, code="life_not_found", param=HEADER)
    return told(fate)


def told(fate: Fate) -> dict[str, Any]:
    """As JSON."""
    return {
        "instance": fate.invocation.hex(),
        "outcome": Outcome(fate.outcome).name.lower(),
        "wipe": Wipe(fate.wipe).name.lower(),
        "wiped_pages": fate.wiped_pages,
        "verified_pages": fate.verified_pages,
        "born_ms": since_knock(fate, fate.born_ns),
        "ended_ms": since_knock(fate, fate.stop_ns),
        "wiped_ms": since_knock(fate, fate.wiped_ns),
        "verified_ms": since_knock(fate, fate.verified_ns),
        "gone_ms": since_knock(fate, fate.gone_ns),
    }


def since_knock(fate: Fate, at_ns: int) -> float | None:
    """Milliseconds; None for what was not seen."""
    return ms(at_ns - fate.knock_ns) if at_ns else None
