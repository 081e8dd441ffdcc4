"""A node: where lines are answered. One that is a service, reached over HTTP. On the caller's side."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from noghost.client.reach import open_client
from noghost.errors import HuntError, SealedError

ANSWER_S = 900.0  # an answer comes whole: a service's own deadline is 600 s, and there may be a wait for a seat
SEATS = 8  # where they are not known
# Time-out, conflict, rate limit, which the official client tries again as well; a key that is revoked meanwhile.
AGAIN = frozenset({401, 403, 408, 409, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node said to one line."""

    status: int
    instance: str
    body: Any = field(repr=False)
    wait_s: float = 0.0  # before it is asked again, if it says so

    @property
    def is_final(self) -> bool:
        """Whether asking again would be no use."""
        return self.status < 500 and self.status not in AGAIN


class Node(Protocol):
    """Each method raises HuntError where the node does not answer, or not whole. Any thread may call any of them."""

    name: str
    seats: int  # how many lines at once, unless it is told

    def models(self) -> dict[str, str]:
        """The digest of the weights by the model's name, the first model as "default" too, and one that was prepared by
        the name of its source; "" where there is none."""

    def ask(self, url: str, body: bytes) -> Answer:
        """A new instance's answer."""

    def get(self, path: str) -> bytes:
        """What it answers to that path; raises HuntError for all but a 200."""

    def close(self) -> None:
        """Leave it."""


class Service:
    """A service that a client of httpx reaches."""

    def __init__(self, name: str, client: httpx.Client, seats: int = SEATS) -> None:
        self.name, self.seats = name, seats
        self._client = client

    @classmethod
    def at(cls, url: str, api_key: str | None = None, fingerprint: str | None = None, *, seats: int = SEATS) -> Service:
        """At an address."""
        client = open_client(url, api_key, fingerprint)
        client.timeout = httpx.Timeout(ANSWER_S, connect=10.0)
        return cls(url, client, seats)

    def models(self) -> dict[str, str]:
        """As `Node`."""
        listed = json.loads(self.get("/v1/models"))["data"]
        found = {str(one["id"]): str(one.get("noghost", {}).get("sha256", "")) for one in listed}
        made = [
            one for one in reversed(listed) if one.get("noghost", {}).get("prepared_of")
        ]  # the first of a source is last
        also = {str(one["noghost"]["prepared_of"]): found[str(one["id"])] for one in made}
        return {"default": next(iter(found.values()), "")} | also | found

    def ask(self, url: str, body: bytes) -> Answer:
        """As `Node`."""
        response = self._sent("POST", url, body)
        instance = response.headers.get("noghost-instance") or secrets.token_hex(16)
        wait_s = 0.0
        with suppress(ValueError):  # it may be a date
            wait_s = float(response.headers.get("retry-after", 0))
        try:
            return Answer(response.status_code, instance, response.json(), wait_s)
        except (ValueError, RecursionError):
            raise HuntError(f"what {self.name} answered is not JSON", "is it an OpenAI-compatible server?") from None

    def get(self, path: str) -> bytes:
        """As `Node`."""
        response = self._sent("GET", path)
        if response.status_code != httpx.codes.OK:
            hint = "set NOGHOST_API_KEY" if response.status_code in (401, 403) else "is it a service of noghost?"
            raise HuntError(f"{self.name} answered {response.status_code} to {path.partition('?')[0]}", hint)
        return response.content

    def close(self) -> None:
        """As `Node`."""
        self._client.close()

    def _sent(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        headers = {"Connection": "close", **({"Content-Type": "application/json"} if body else {})}
        try:
            return self._client.request(method, path, content=body, headers=headers)
        except (httpx.HTTPError, SealedError) as failed:
            hint = "check the address, and that the service runs"
            raise HuntError(f"no answer from {self.name} ({type(failed).__name__})", hint) from None
