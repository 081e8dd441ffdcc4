"""POST /v1/completions. In an instance."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from noghost.api.answer import MIXED, Shape, respond
from noghost.api.commitment import PARAMETERS
from noghost.api.endpoints import Endpoints
from noghost.api.here import here
from noghost.api.logprobs import of_text
from noghost.api.schemas import CompletionRequest
from noghost.api.turn import begin_text, model_for, work_for
from noghost.engine.families.events import Content, Event
from noghost.engine.infill import tokens_between
from noghost.errors import RequestError

DEFAULT_MAX_TOKENS = 16  # OpenAI's own default for this endpoint
endpoints = Endpoints()


def choice(events: list[Event], reason: str | None, logprobs: Any) -> dict[str, Any]:
    """The choice, whole or streamed."""
    text = "".join(event.text for event in events if isinstance(event, Content))
    return {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": reason}


TEXT = Shape("cmpl-", "text_completion", "text_completion", choice, choice, None, of_text)


@endpoints.post("/v1/completions", summary="Continue a text", responses=MIXED, openapi_extra=PARAMETERS)
async def completions(body: CompletionRequest, request: Request) -> Response:
    """Tokenise the prompt as it is, continue it; or fill the gap between it and a suffix."""
    now = here(request)
    max_tokens = DEFAULT_MAX_TOKENS if body.most_tokens is None else body.most_tokens
    index, loaded = await model_for(body, max_tokens, request)
    model = loaded.model
    if body.suffix:
        tokens = tokens_between(model, body.prompt, body.suffix)
    else:
        tokens = model.tokenize(body.prompt, add_special=True, parse_special=True)
    now.timeline.reach("tokenise")
    work = work_for(body, index, tokens, max_tokens, "prompt", request)
    if work.looks_at_prompt and work.wish.given is not None:
        raise RequestError("echo with logprobs computes the whole prompt; leave the capsule out", param="echo")
    return await respond(now, body, begin_text(now, work), TEXT)
