"""POST /v1/tokenize and /v1/detokenize: nothing is computed with the model. In an instance; not in the ledger."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from noghost.api.answer import as_json
from noghost.api.asked import asked_of
from noghost.api.endpoints import Endpoints
from noghost.api.errors import validated
from noghost.api.here import here
from noghost.api.loading import loaded_for, settle
from noghost.api.logprobs import text_of
from noghost.api.schemas import ChatRequest
from noghost.api.token_schema import DetokenizeRequest, TokenizeRequest
from noghost.engine.loaded import Loaded
from noghost.errors import RequestError

endpoints = Endpoints()


@endpoints.post("/v1/tokenize", summary="The tokens of a text, or of a conversation")
async def tokenize(body: TokenizeRequest, request: Request) -> Response:
    """As vLLM answers, or with pieces as llama-server does."""
    now = here(request)
    index = now.find_model(body.model)
    loaded = await loaded_for(request, index)
    tokens = tokens_of(loaded, body)
    pieces = [loaded.model.piece(token, True) for token in tokens] if body.return_token_strs or body.with_pieces else []
    answer = {
        "count": len(tokens),
        "max_model_len": now.models[index].context_tokens,
        "tokens": [told(*pair) for pair in zip(tokens, pieces, strict=True)] if body.with_pieces else tokens,
        "token_strs": [text_of(piece) for piece in pieces] if body.return_token_strs else None,
    }
    settle(now)
    return as_json(answer, now.pads)


@endpoints.post("/v1/detokenize", summary="The text of tokens")
async def detokenize(body: DetokenizeRequest, request: Request) -> Response:
    """The text under both names: `prompt` is vLLM's, `content` llama-server's."""
    now = here(request)
    model = (await loaded_for(request, now.find_model(body.model))).model
    if not model.has(body.tokens):
        raise RequestError("tokens holds one that this model has not", code="invalid_value", param="tokens")
    text = text_of(b"".join(model.piece(token, True) for token in body.tokens))
    settle(now)
    return as_json({"prompt": text, "content": text}, now.pads)


def tokens_of(loaded: Loaded, body: TokenizeRequest) -> list[int]:
    """What a completion of this text, or a chat request with this body, begins with."""
    if body.messages is None:
        text = body.content if body.prompt is None else body.prompt
        return loaded.model.tokenize(text or "", add_special=body.adds_special, parse_special=body.parse_special)
    asked = asked_of(loaded, validated(ChatRequest, body.as_chat))
    return loaded.model.tokenize_prompt(asked.prompt)


def told(token: int, piece: bytes) -> dict[str, Any]:
    """A token with its text, or with its bytes where they are part of a character."""
    try:
        return {"id": token, "piece": piece.decode()}
    except UnicodeDecodeError:
        return {"id": token, "piece": list(piece)}
