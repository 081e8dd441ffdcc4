"""POST /v1/chat/completions. In an instance."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from noghost.api.answer import STREAMED, Shape, respond, work_for
from noghost.api.commitment import PARAMETER
from noghost.api.here import here
from noghost.api.logprobs import of_chat
from noghost.api.schemas import ChatRequest

router = APIRouter()


def choice(text: str | None, reason: str | None, logprobs: Any) -> dict[str, Any]:
    """The choice of a whole answer."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": reason}


def delta(text: str | None, reason: str | None, logprobs: Any) -> dict[str, Any]:
    """The choice of a streamed chunk."""
    return {
        "index": 0,
        "delta": {} if text is None else {"content": text},
        "logprobs": logprobs,
        "finish_reason": reason,
    }


OPENING = {
    "index": 0,
    "delta": {"role": "assistant", "content": "", "refusal": None},
    "logprobs": None,
    "finish_reason": None,
}
CHAT = Shape("chatcmpl-", "chat.completion", "chat.completion.chunk", choice, delta, OPENING, of_chat)


@router.post(
    "/v1/chat/completions",
    summary="Answer a conversation",
    response_model=None,
    responses=STREAMED,
    openapi_extra=PARAMETER,
)
async def chat_completions(body: ChatRequest, request: Request) -> Response:
    """Render the model's own chat template, tokenise, answer."""
    now = here(request)
    now.timeline.reach("request")
    index = now.find_model(body.model)
    loaded = now.models[index].loaded
    prompt = loaded.template.render_open(
        [message.plain() for message in body.messages],
        add_generation_prompt=body.add_generation_prompt,
        continue_final_message=body.continue_final_message,
    )
    now.timeline.reach("template")
    tokens = loaded.model.tokenize_prompt(prompt)
    now.timeline.reach("tokenise")
    work = work_for(body, index, tokens, body.most_tokens, "messages", request)
    return await respond(now, body, work, CHAT)
