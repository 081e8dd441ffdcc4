"""A request for a remote model: what of it is ours is checked, the rest goes on as it came. In an instance.

Covered: what asks a service to keep something is refused here, as for every model; our own object `noghost` stays.
Not covered: fields that we do not know, which the provider may understand or not.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, Field, model_validator
from starlette.datastructures import Headers
from starlette.types import Scope

from noghost.api import capsule
from noghost.api.embedding_schema import EmbeddingRequest
from noghost.api.errors import validated
from noghost.api.parts import JSON
from noghost.api.schemas import Generation, ThreadOptions
from noghost.api.strict import UnsupportedError
from noghost.api.upstream.terms import on_terms
from noghost.errors import RequestError
from noghost.upstream import Upstream

OURS = "noghost"
M = TypeVar("M", bound=BaseModel)


class RemoteRequest(Generation):
    """What every request has."""

    @model_validator(mode="after")
    def compute_elsewhere(self) -> RemoteRequest:
        """See `elsewhere`."""
        elsewhere(self.noghost)
        return self


class RemoteChat(RemoteRequest):
    """POST /v1/chat/completions."""

    messages: list[dict[str, Any]] = Field(min_length=1)


class RemoteText(RemoteRequest):
    """POST /v1/completions."""

    prompt: Any


class RemoteEmbedding(EmbeddingRequest):
    """POST /v1/embeddings."""

    @model_validator(mode="after")
    def compute_elsewhere(self) -> RemoteEmbedding:
        """See `elsewhere`."""
        elsewhere(self.noghost)
        return self


def elsewhere(options: ThreadOptions) -> None:
    """Nothing of this service's own can be had from another's machine. Raises UnsupportedError."""
    for name in ("threads", "record_seed", "capsule"):
        if getattr(options, name, None):
            raise UnsupportedError(f"{OURS}.{name}", f"{OURS}.{name} is for models that this service computes itself")


def object_of(scope: Scope, body: bytes) -> dict[str, Any]:
    """The body as JSON; empty where it is no JSON object, or not sent as one, which a page of another origin can do."""
    if Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower() != JSON:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def checked(kind: type[M], body: dict[str, Any], scope: Scope) -> M:
    """What of it is ours; RequestError."""
    if capsule.GIVEN in scope:
        raise RequestError("a capsule is for a model that this service computes itself", code="unsupported_parameter")
    return validated(kind, body)


def outgoing(body: dict[str, Any], upstream: Upstream) -> bytes:
    """What is sent to the provider; RequestError."""
    sent = {name: value for name, value in body.items() if name != OURS} | {"model": upstream.theirs}
    if upstream.is_openrouter:
        sent = on_terms(sent, loosen=upstream.loosen)
    try:
        return json.dumps(sent, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise RequestError("the body holds a number that is none", code="invalid_json") from None
