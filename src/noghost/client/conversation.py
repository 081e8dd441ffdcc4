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
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpx

from noghost.client.claim import body_of, headers_for, new_key
from noghost.client.mixed import Answer, two_parts
from noghost.client.reach import open_client, place_of
from noghost.client.worth import Worth
from noghost.config import is_loopback
from noghost.errors import HuntError

if TYPE_CHECKING:
    from noghost.client.sealed.trust import Trust

KEY_BYTES = 32
CHAT = "/v1/chat/completions"
DONE = b"data: [DONE]"
LIFE_KEY = "noghost-life-key"


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
        trust: Trust | None = None,
        capsules: bool = True,
        worth: Worth | None = None,
        **options: Any,
    ) -> None:
        """`options` are further fields of each request (`temperature`, `max_tokens`, `seed`); with `trust` all that
        is said is sealed; `worth` is what is known already of the service's speed."""
        self.url = url
        self.way_s = 0.0  # from the end of the last answer to the end of its capsule
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        self.facts: dict[str, Any] = {}  # of the last request and its answer: what was sent, what the service told
        self.options: dict[str, Any] = {"model": model, **options}  # of the next request
        self.access: dict[str, Any] = {"api_key": api_key, "fingerprint": fingerprint, "trust": trust}
        self.on_thought: Callable[[str], None] = unheard  # gets what the model thinks, in pieces: it is no answer
        self._client = open_client(url, **self.access)
        self._key = secrets.token_bytes(KEY_BYTES)
        self._life = ""  # the key to the last instance's end, as hex
        self._capsule: bytes | None = None
        self._worth = worth or Worth()
        self.wants_capsules = capsules and is_local(url)

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

    def say(self, text: str, **more: Any) -> Generator[str, None, None]:
        """The answer in pieces as they come; `more` are fields of this request alone. It is one of the messages once it
        is whole; if it breaks off, or this generator is closed, neither it nor the question is."""
        self.messages.append({"role": "user", "content": text})
        told: list[str] = []
        try:
            for piece in self._answered(more):
                told.append(piece)
                yield piece
        except BaseException:
            self.messages.pop()
            raise
        self.messages.append({"role": "assistant", "content": "".join(told)})

    def get(self, path: str) -> bytes:
        """What the service answers to it; raises HuntError."""
        with closing(self._checked(self._client.build_request("GET", path))) as response:
            return response.read()

    def models(self) -> list[str]:
        """What the service has, its default first; raises HuntError."""
        return [str(one["id"]) for one in json.loads(self.get("/v1/models"))["data"]]

    def fate(self) -> dict[str, Any]:
        """How the last answer's instance ended (docs/api.md, "Life"); empty where the service does not tell. Raises
        HuntError."""
        with suppress(RefusedError, ValueError, TypeError):
            asked = self._client.build_request("GET", "/v1/life", headers={LIFE_KEY: self._life})
            with closing(self._checked(asked)) as response:
                return dict(json.loads(response.read()))
        return {}

    def _answered(self, more: dict[str, Any]) -> Iterator[str]:
        """With the capsule; where it does not fit, without."""
        given = self._capsule
        try:
            yield from self._ask(given, more)
        except _NoCapsuleError as refused:
            self._capsule = None
            self.wants_capsules &= refused.again and given is not None
            yield from self._ask(None, more)

    def _ask(self, capsule: bytes | None, more: dict[str, Any]) -> Iterator[str]:
        with closing(self._send(capsule, more)) as response:
            answer = Answer(response.headers.get("content-type", ""), response.iter_bytes())
            last_s, line = time.monotonic(), b""
            for line in lines_of(answer):
                yield from self._told(line)
                last_s = time.monotonic()
            if line != DONE:
                raise broken_off()
            self._learn(capsule, answer.capsule, time.monotonic() - last_s)

    def _send(self, capsule: bytes | None, more: dict[str, Any]) -> httpx.Response:
        options = {**self.options, **more, "stream": True, "stream_options": {"include_usage": True}}
        if self.wants_capsules:
            options["noghost"] = {**options.get("noghost", {}), "capsule": True}
        claim, told = new_key(), body_of(self.messages, options)
        self.facts = {"options": options, "key": claim.hex()}
        kind, length, pieces = "application/json", len(told), iter((told,))
        if capsule is not None:
            kind, length, pieces = two_parts(told, capsule)
        headers = {"Connection": "close", "Content-Type": kind, "Content-Length": str(length)}
        self._life = secrets.token_hex(KEY_BYTES)
        headers |= headers_for(claim, told) | {LIFE_KEY: self._life}
        if self.wants_capsules or capsule is not None:
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
            raise HuntError(f"no answer from {self.url} ({type(failed).__name__})", hint) from None
        code = str(error.get("code") or "")
        if code.startswith("capsule_") or error.get("param") == "noghost.capsule":  # that one of a remote model
            raise _NoCapsuleError(
                again=code not in ("capsule_unsupported", "capsule_too_large", "unsupported_parameter")
            )
        raise RefusedError(response.status_code, str(error.get("message") or "nothing else"))

    def _told(self, line: bytes) -> Iterator[str]:
        """The text of one event; what it tells besides is kept."""
        if not line.startswith(b"data:") or line == DONE:
            return
        try:
            event = json.loads(line.removeprefix(b"data:"))
        except ValueError:
            raise broken_off() from None
        if "error" in event:
            raise broken_off()
        self.facts |= event.get("noghost") or {}
        self.facts |= event.get("usage") or {}
        self.facts |= {"model": event["model"]} if event.get("model") else {}
        for choice in event.get("choices") or ():
            if reason := choice.get("finish_reason"):
                self.facts["finish_reason"] = reason
            delta = choice["delta"]
            if thought := delta.get("reasoning_content") or delta.get("reasoning"):
                self.on_thought(thought)
            if text := delta.get("content"):
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
            self.wants_capsules = self._worth.pays(prompt, len(got))
        self._capsule = got if self.wants_capsules else None

    def drop_capsule(self) -> None:
        """For another model, which would only refuse it."""
        self._capsule = None

    @property
    def capsule_bytes(self) -> int:
        """The length of what the next question brings; 0: nothing."""
        return len(self._capsule or b"")


class RefusedError(HuntError):
    """The service's own no: an HTTP status and its words."""

    def __init__(self, status: int, words: str) -> None:
        hint = "set NOGHOST_API_KEY" if status in (401, 403) else ""
        super().__init__(f"the service answered {status}: {words}", hint)
        self.status = status
        self.words = words


class _NoCapsuleError(Exception):
    """The service does not take this capsule; `again`: it may take another one."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


def unheard(_thought: str) -> None:
    """For who wants answers alone."""


def broken_off() -> HuntError:
    """The service, or the way to it, was gone before the answer was whole."""
    return HuntError("the service broke off its answer", "see that it runs, and ask again")


def lines_of(answer: Answer) -> Iterator[bytes]:
    """Its lines, without the empty ones between events, as far as the connection brings them."""
    with suppress(httpx.HTTPError):
        yield from filter(None, answer.lines())


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
