"""A conversation as its caller holds it: the messages, a key made for it, the last capsule. In memory, nowhere else.

    with Conversation("http://127.0.0.1:8462") as talk:
        for text in talk.say("Hello!"):
            print(text, end="", flush=True)

Each answer comes with a capsule, which goes back with the next question and spares the service the prefill of what was
said before. That is done for a service on this machine, and as long as it pays (worth.py); a service that has no
capsules is spoken to without them.

Covered: key, capsule and messages are in no file and in no repr; they are gone with the object, or the process.
Not covered: this process's memory while it lives, and swap.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from types import TracebackType
from typing import Any

import httpx

from noghost.client.mixed import Answer, two_parts
from noghost.client.reach import open_client, place_of
from noghost.client.worth import Worth
from noghost.config import is_loopback
from noghost.errors import HuntError

KEY_BYTES = 32
CHAT = "/v1/chat/completions"


class Conversation:
    """Messages, a key, the last capsule. Raises HuntError where the service cannot be spoken to."""

    def __init__(
        self,
        url: str,
        *,
        model: str = "default",
        system: str = "",
        api_key: str | None = None,
        fingerprint: str | None = None,
        capsules: bool = True,
        worth: Worth | None = None,
        **options: Any,
    ) -> None:
        """`options` are further fields of each request (`temperature`, `max_tokens`, `seed`);
        `worth` is what is known already of the service's speed."""
        self.way_s = 0.0  # from the end of the last answer to the end of its capsule
        self.messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
        self.facts: dict[str, Any] = {}  # what the service told of its last answer
        self._client = open_client(url, api_key, fingerprint)
        self._options = {"model": model, **options}
        self._key = secrets.token_bytes(KEY_BYTES)
        self._capsule: bytes | None = None
        self._worth = worth or Worth()
        self._wants = capsules and is_local(url)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget the capsule and the key; close the connection."""
        self._capsule, self._key = None, b""
        self._client.close()

    def say(self, text: str) -> Generator[str, None, None]:
        """The answer in pieces as they come. It is one of the messages once it is whole; if it breaks off, or this
        generator is closed, neither it nor the question is."""
        self.messages.append({"role": "user", "content": text})
        told: list[str] = []
        try:
            for piece in self._answered():
                told.append(piece)
                yield piece
        except BaseException:
            self.messages.pop()
            raise
        self.messages.append({"role": "assistant", "content": "".join(told)})

    def _answered(self) -> Iterator[str]:
        """With the capsule; where it does not fit, without."""
        given = self._capsule
        try:
            yield from self._ask(given)
        except _NoCapsuleError as refused:
            self._capsule = None
            self._wants &= refused.again and given is not None
            yield from self._ask(None)

    def _ask(self, capsule: bytes | None) -> Iterator[str]:
        self.facts = {}
        with closing(self._send(capsule)) as response:
            answer = Answer(response.headers.get("content-type", ""), response.iter_bytes())
            last_s = time.monotonic()
            for line in answer.lines():
                yield from self._told(line)
                last_s = time.monotonic()
            self._learn(capsule, answer.capsule, time.monotonic() - last_s)

    def _send(self, capsule: bytes | None) -> httpx.Response:
        body = {**self._options, "messages": self.messages, "stream": True, "stream_options": {"include_usage": True}}
        if self._wants:
            body["noghost"] = {**self._options.get("noghost", {}), "capsule": True}
        told = json.dumps(body).encode()
        kind, length, pieces = "application/json", len(told), iter((told,))
        if capsule is not None:
            kind, length, pieces = two_parts(told, capsule)
        headers = {"Connection": "close", "Content-Type": kind, "Content-Length": str(length)}
        if self._wants or capsule is not None:
            headers["noghost-capsule-key"] = base64.b64encode(self._key).decode()
        return self._checked(self._client.build_request("POST", CHAT, content=pieces, headers=headers))

    def _checked(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._client.send(request, stream=True)
            if response.status_code < 400:
                return response
            with closing(response):
                error = error_of(response.read())
        except httpx.HTTPError as failed:
            hint = "check the address, and that the service runs"
            raise HuntError(f"no answer from {self._client.base_url} ({type(failed).__name__})", hint) from None
        code = str(error.get("code") or "")
        if code.startswith("capsule_"):
            raise _NoCapsuleError(again=code not in ("capsule_unsupported", "capsule_too_large"))
        hint = "set NOGHOST_API_KEY" if response.status_code in (401, 403) else ""
        raise HuntError(f"the service answered {response.status_code}: {error.get('message') or 'nothing else'}", hint)

    def _told(self, line: bytes) -> Iterator[str]:
        """The text of one event; what it tells besides is kept."""
        if not line.startswith(b"data:") or line == b"data: [DONE]":
            return
        event = json.loads(line.removeprefix(b"data:"))
        if "error" in event:
            raise HuntError("the service broke off its answer", "ask again")
        self.facts |= event.get("noghost") or {}
        self.facts |= event.get("usage") or {}
        for choice in event.get("choices") or ():
            if text := choice["delta"].get("content"):
                yield text

    def _learn(self, given: bytes | None, got: bytes | None, way_s: float) -> None:
        """What the answer said about the worth of its capsule; keep it if it pays."""
        prompt, spared = int(self.facts.get("prompt_tokens", 0)), 0
        if given is not None:
            spared = int(self.facts.get("capsule_tokens", 0))
            self._worth.saw_opening(len(given), self.facts.get("capsule_ms", 0.0) / 1e3)
        self._worth.saw_prefill(prompt - spared, self.facts.get("prefill_ms", 0.0) / 1e3)
        if got is not None:
            self.way_s = way_s
            self._worth.saw_way(len(got), way_s)
            self._wants = self._worth.pays(prompt, len(got))
        self._capsule = got if self._wants else None

    @property
    def capsule_bytes(self) -> int:
        """The length of what the next question brings; 0: nothing."""
        return len(self._capsule or b"")


class _NoCapsuleError(Exception):
    """The service does not take this capsule; `again`: it may take another one."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


def is_local(url: str) -> bool:
    """A service on this machine: a capsule is a hundred times as long as what was said."""
    place = place_of(url)
    return place.unix is not None or is_loopback(httpx.URL(place.url).host)


def error_of(body: bytes) -> dict[str, Any]:
    """The API's error; empty for a body that is none."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}
