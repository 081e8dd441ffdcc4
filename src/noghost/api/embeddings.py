"""POST /v1/embeddings. In an instance: it takes a seat and opens a record like an answer."""

from __future__ import annotations

from array import array
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from noghost.api.answer import as_json
from noghost.api.commitment import PARAMETER, commit_to_answer, commitment_of
from noghost.api.compute import Compute, check_threads
from noghost.api.embedding_schema import EmbeddingRequest
from noghost.api.endpoints import Endpoints
from noghost.api.here import Here, here
from noghost.api.loading import loaded_for
from noghost.engine.embed import check, embed, pool_of
from noghost.engine.loaded import Loaded
from noghost.engine.model import Model
from noghost.errors import RequestError

endpoints = Endpoints()


@endpoints.post("/v1/embeddings", summary="Texts as vectors of length 1", openapi_extra=PARAMETER)
async def embeddings(body: EmbeddingRequest, request: Request) -> Response:
    """Tokenise each input, compute one vector of each."""
    now = here(request)
    now.timeline.reach("request")
    index = now.find_model(body.model)
    loaded = await loaded_for(request, index, threads=body.noghost.threads)
    texts = list(tokenised(now, loaded, body))
    now.timeline.reach("tokenise")
    commitment = commitment_of(request)
    commit_to_answer(now.tally, request, is_one_text=False)
    vectors = await Compute(lambda: computed(now, index, texts, body.noghost.threads, commitment)).next()
    count = sum(map(len, texts))
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": told(vector, body.encoding_format)}
            for at, vector in enumerate(vectors)
        ],
        "model": now.models[index].name,
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }
    return as_json(answer, now.pads)


def tokenised(now: Here, loaded: Loaded, body: EmbeddingRequest) -> Iterator[list[int]]:
    """The tokens of each input. Raises RequestError for what cannot be computed, before anything is."""
    pool_of(loaded.model)
    check_threads(now, body.noghost.threads)
    check_dimensions(loaded.model, body.dimensions)
    for at, text in enumerate(body.texts):
        tokens = text if isinstance(text, list) else loaded.model.tokenize(text, add_special=True, parse_special=True)
        check(loaded.model, loaded.context, tokens, f"input[{at}]")
        yield tokens


def check_dimensions(model: Model, dimensions: int | None) -> None:
    """A vector that is cut means something only where the model was trained for that, which no GGUF says."""
    if dimensions not in (None, model.n_embd):
        message = f"dimensions is not supported: this model has {model.n_embd}, and does not say that fewer would do"
        raise RequestError(message, code="unsupported_parameter", param="dimensions")


def computed(
    now: Here, index: int, texts: list[list[int]], threads: int | None, commitment: bytes | None
) -> Iterator[list[array[float]]]:
    """In the compute thread: seat and record, every vector, and nothing of it before the record is on the disk."""
    loaded = now.models[index].loaded
    now.open(index, commitment, threads=threads)
    now.tally.prompt_tokens = sum(map(len, texts))
    loaded.context.start_threads(threads or now.most_threads)
    share = (lambda: threads) if threads else now.threads
    vectors = [embed(loaded.model, loaded.context, tokens, share) for tokens in texts]
    now.recorder.sync()
    yield vectors


def told(vector: array[float], encoding: str) -> Any:
    """A vector as a list, or as base64 of its 32-bit floats, little-endian, as OpenAI's client asks for it."""
    return b64encode(vector.tobytes()).decode() if encoding == "base64" else list(vector)
