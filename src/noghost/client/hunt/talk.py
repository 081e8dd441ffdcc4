"""Say a random canary to a server, as any caller would, and keep what it answered.

The canary is 47 characters in three windows, each with one letter beyond Latin-1, so that its UTF-8,
JSON-escaped and UTF-16 forms differ in every window, and with more than 100 bits of chance.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from noghost.errors import HuntError

CANARY_WINDOW_CHARS = 16
ANSWER_TOKENS = 96
_OPENING = "My case number is "
_TASK = ". Please tell me a long and unusual story about the day on which that number was lost."
# What a model may recite from its public template or the task is no copy of an answer.
PUBLIC_TEXTS = (
    _OPENING + _TASK,
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    "You are a helpful assistant. How can I help you today? How can I assist you today?",
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer; neither stands in the repr."""

    canary: str = field(repr=False)
    answer: str = field(repr=False)


def new_canary() -> str:
    """A fresh canary, such as `Velořimat 41937 Dusatěgob 22610 Kimanužep 90745`."""
    return " ".join(f"{_name()} {secrets.randbelow(100_000):05}" for _ in range(3))


def first_model(client: httpx.Client) -> str:
    """The id of the first model in `/v1/models`; raises HuntError."""
    models = _checked(client, "GET", "/v1/models").json().get("data") or [{}]
    if "id" not in models[0]:
        raise HuntError("the server lists no model", "name one with --model")
    return str(models[0]["id"])


def exchange(client: httpx.Client, model: str, *, stream: bool, max_tokens: int = ANSWER_TOKENS) -> Exchange:
    """Say a new canary to the server and take the whole answer; raises HuntError."""
    canary = new_canary()
    body = {
        "model": model,
        "messages": [{"role": "user", "content": f"{_OPENING}{canary}{_TASK}"}],
        "max_tokens": max_tokens,
        "temperature": 1.0,
        "stream": stream,
    }
    if stream:
        return Exchange(canary, "".join(_streamed(client, body)))
    answer = _checked(client, "POST", "/v1/chat/completions", body).json()
    return Exchange(canary, _text(answer["choices"][0]["message"]))


def _name() -> str:
    """Nine letters, of which the sixth is beyond Latin-1."""
    letters = [secrets.choice("aeiou" if at % 2 else "bdfgklmnprstvz") for at in range(9)]
    letters[5] = secrets.choice("őěůűęąėī")
    return "".join(letters).capitalize()


def _streamed(client: httpx.Client, body: dict[str, object]) -> Iterator[str]:
    try:
        with client.stream("POST", "/v1/chat/completions", json=body) as response:
            _check_status(response, "/v1/chat/completions")
            for line in response.iter_lines():
                data = line.removeprefix("data:").strip()
                if line.startswith("data:") and data != "[DONE]":
                    yield from (_text(choice["delta"]) for choice in json.loads(data).get("choices", ()))
    except httpx.HTTPError as error:
        raise _unreachable(client, error) from error


def _text(message: dict[str, Any]) -> str:
    return (message.get("reasoning_content") or "") + (message.get("content") or "")


def _checked(client: httpx.Client, method: str, path: str, body: dict[str, object] | None = None) -> httpx.Response:
    try:
        response = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise _unreachable(client, error) from error
    _check_status(response, path)
    return response


def _check_status(response: httpx.Response, path: str) -> None:
    if response.status_code >= 400:
        hint = "set NOGHOST_API_KEY" if response.status_code in (401, 403) else "is it an OpenAI-compatible server?"
        raise HuntError(f"the server answered {response.status_code} to {path}", hint)


def _unreachable(client: httpx.Client, error: httpx.HTTPError) -> HuntError:
    hint = "check --url, and that the server runs"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = "its certificate is not known here; give its --fingerprint"
    return HuntError(f"no answer from {client.base_url} ({type(error).__name__})", hint)
