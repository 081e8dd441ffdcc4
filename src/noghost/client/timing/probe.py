"""One request, timed: the time to the first streamed byte of text, as a caller sees it.

Each request is a caller of its own: a new connection, closed after it. The clock is CLOCK_MONOTONIC; it starts before
the connection is made, so that the birth of a process and the accept queue are both inside.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx

from noghost.errors import HuntError

# More than one, so that a first token without text of its own is not the whole answer.
ANSWER_TOKENS = 4


def ttft_s(client: httpx.Client, model: str, prompt: str) -> float:
    """Seconds from before the connection to the first text; the answer is read to its end. Raises HuntError.

    A model that answers nothing has its end timed instead: that too comes after the prompt was computed.
    """
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "stream": True,
    }
    request = client.build_request("POST", "/v1/chat/completions", json=body, headers={"Connection": "close"})
    first_s: float | None = None
    begun_s = time.monotonic()
    try:
        for told in _events(client, request):
            if told and first_s is None:
                first_s = time.monotonic()
    except httpx.HTTPError as error:
        raise HuntError(
            f"no answer from {client.base_url} ({type(error).__name__})", "see that the server runs"
        ) from error
    if first_s is None:
        raise HuntError("the server streamed no answer", "is it an OpenAI-compatible server that can stream?")
    return first_s - begun_s


def _events(client: httpx.Client, request: httpx.Request) -> Iterator[bool]:
    """For each event as it arrives, whether it holds text or the end of the answer."""
    response = client.send(request, stream=True)
    try:
        _check_status(response)
        for line in response.iter_lines():
            data = line.removeprefix("data:").strip()
            if line.startswith("data:") and data != "[DONE]":
                yield _tells(data)
    finally:
        response.close()


def _tells(data: str) -> bool:
    """Whether a chunk has text, or says that there will be none. A role alone, or a usage, comes without computing."""
    try:
        chunk = json.loads(data)
        choices = chunk.get("choices") or ()
        parts = [choice.get("delta") or {} for choice in choices]
    except (ValueError, AttributeError) as error:
        raise HuntError("the server streams something else than chat chunks", "is it OpenAI-compatible?") from error
    if "error" in chunk:
        raise HuntError("the server broke off an answer with an error", "see its log")
    text = any(part.get("content") or part.get("reasoning_content") for part in parts)
    return text or any(choice.get("finish_reason") for choice in choices)


_HINTS = {
    401: "set NOGHOST_API_KEY",
    403: "set NOGHOST_API_KEY",
    400: "if the prompt is too long for it, lower --words",
    429: "its rate limit is lower than this audit needs: lower --pairs or --words",
}


def _check_status(response: httpx.Response) -> None:
    if response.status_code >= 400:
        hint = _HINTS.get(response.status_code, "is it an OpenAI-compatible server?")
        raise HuntError(f"the server answered {response.status_code} to a chat completion", hint)
