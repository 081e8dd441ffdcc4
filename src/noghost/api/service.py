"""What needs no model: models, receipts, health. In an instance; not in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from noghost.api.endpoints import Endpoints
from noghost.api.errors import TEXT
from noghost.api.here import Served, here
from noghost.api.keys import UNREADABLE
from noghost.errors import RequestError

HEX = set("0123456789abcdef")
ID = {**TEXT, "pattern": "^[0-9a-f]{32}$"}
SIZE = {**TEXT, "pattern": "^[0-9]{1,18}$", "default": "0"}
endpoints = Endpoints()


def parameter(name: str, place: str, schema: Mapping[str, str] = TEXT) -> dict[str, Any]:
    """Of a path or a query, as the document has it."""
    return {"name": name, "in": place, "required": place == "path", "schema": {**schema, "title": name.title()}}


@endpoints.get("/healthz", summary="Is the door open?")
async def healthz(_request: Request) -> dict[str, str]:
    """Answered by a process of its own, like everything."""
    return {"status": "ok"}


@endpoints.get("/readyz", summary="Could a request be computed now?")
async def readyz(request: Request) -> dict[str, str]:
    """Yes, or a 503 that says why not: too many wait for a seat, the ledger or the keys are out of order. That the
    models are loaded, an answer of any kind says."""
    now = here(request)
    if now.keys is not None and not now.keys.readable:
        raise UNREADABLE
    now.recorder.ready()
    return {"status": "ready"}


@endpoints.get("/v1/models", summary="The models of this service; the first is the default")
async def models(request: Request) -> dict[str, Any]:
    """OpenAI's list, with the digest and the context of each."""
    now = here(request)
    own = [entry(request, index) for index in range(len(now.models))]
    return {"object": "list", "data": own + [remote.listed() for remote in now.remotes]}


@endpoints.get("/v1/models/{name:path}", summary="One model", openapi_extra={"parameters": [parameter("name", "path")]})
async def model(request: Request) -> dict[str, Any]:
    """One entry of the list."""
    now = here(request)
    name = request.path_params["name"]
    remote = now.remote_called(name)
    return remote.listed() if remote else entry(request, now.find_model(name))


@endpoints.get(
    "/v1/receipts/{id}",
    summary="The receipt of an invocation",
    response_class=PlainTextResponse,
    openapi_extra={"parameters": [parameter("id", "path", ID), parameter("since", "query", SIZE)]},
)
async def receipt(request: Request) -> PlainTextResponse:
    """The signed record of one invocation: spec/receipt-v1.md. With `since`, the size of a checkpoint seen before, also
    the proof that the log has only grown from it."""
    name, since = request.path_params["id"], request.query_params.get("since", "0")
    if len(name) != 32 or not set(name) <= HEX:
        raise RequestError("an invocation's id is 32 lower-case hexadecimal digits", param="id")
    if not (since.isascii() and since.isdigit() and len(since) <= 18):
        raise RequestError("since is the size of a checkpoint, a number of at most 18 digits", param="since")
    return PlainTextResponse(here(request).recorder.receipt(bytes.fromhex(name), int(since)))


def entry(request: Request, index: int) -> dict[str, Any]:
    """One model as OpenAI lists it, and what more a caller should know: `context_length` as OpenRouter calls it, `meta`
    as llama-server does."""
    served = here(request).models[index]
    sizes, about = known(served)
    return {
        "id": served.name,
        "object": "model",
        "created": served.modified_s,
        "owned_by": "noghost",
        "context_length": served.context_tokens,
        "meta": sizes,
        "noghost": {
            "sha256": served.digest,
            "size_bytes": served.size_bytes,
            "loaded": served.held is not None,
            "context_tokens": served.context_tokens,
            **({"prepared_of": served.source} if served.source else {}),
            **about,
        },
    }


def known(served: Served) -> tuple[dict[str, int], dict[str, Any]]:
    """(sizes as llama-server calls them, what more there is to say), of one that is not loaded from its header."""
    if served.held is not None:
        model = served.held.model
        return model.facts, about(model.n_ctx_train, model.license, model.description)
    assert served.facts is not None
    facts = served.facts
    return {"n_params": facts.parameters}, about(
        facts.context_tokens, facts.licence, f"{facts.architecture} {facts.quantisation}"
    )


def about(trained: int | None, licence: str | None, description: str) -> dict[str, Any]:
    """What stands in our own part of an entry."""
    return {"trained_context_tokens": trained, "license": licence, "description": description}
