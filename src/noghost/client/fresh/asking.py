"""The same question to several instances that know nothing of each other.

Each answer is a request of its own, on a connection of its own, with a seed of its own. Once all are there, one more
request has the model make a vector of each, by which they are compared (agreement.py).

Covered: question and answers are in no repr and no error. Not covered: this process's memory while it lives; and a
server that is none of ours may have one process for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from noghost.client.conversation import Conversation, error_of
from noghost.client.fresh.agreement import Vector, unit
from noghost.client.hunt.talk import first_model
from noghost.client.reach import open_client
from noghost.client.sealed.trust import Trust
from noghost.errors import HuntError

EMBEDDINGS = "/v1/embeddings"


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom to ask, and how."""

    url: str
    model: str
    seeds: Sequence[int]  # one for each instance
    system: str = field(repr=False)
    options: dict[str, Any] = field(repr=False)  # further fields of each request: a stop may be content
    api_key: str | None = field(default=None, repr=False)
    fingerprint: str | None = None
    trust: Trust | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one instance said."""

    text: str = field(repr=False)
    seed: int
    began: datetime  # UTC, by the caller's clock: before the connection
    ended: datetime  # after the last byte
    told: dict[str, Any] = field(repr=False)  # what the service told of it

    @property
    def instance(self) -> str | None:
        """Its invocation's id, where the server is one of ours."""
        found = self.told.get("instance")
        return found if isinstance(found, str) else None


def model_at(url: str, api_key: str | None, fingerprint: str | None, trust: Trust | None = None) -> str:
    """The first model that a server lists. Raises HuntError."""
    with open_client(url, api_key, fingerprint, trust) as client:
        return first_model(client)


def talk_with(asking: Asking, seed: int) -> Conversation:
    """A conversation that has not begun."""
    return Conversation(
        asking.url,
        model=asking.model,
        system=asking.system,
        api_key=asking.api_key,
        fingerprint=asking.fingerprint,
        trust=asking.trust,
        capsules=False,
        seed=seed,
        **asking.options,
    )


def answers(asking: Asking, question: str) -> Iterator[Answer]:
    """One answer after another, each from an instance that is new. Raises HuntError."""
    for seed in asking.seeds:
        began = datetime.now(UTC)
        with talk_with(asking, seed) as talk:
            text = "".join(talk.say(question))
            yield Answer(text, seed, began, datetime.now(UTC), talk.facts)


def vectors(asking: Asking, texts: Sequence[str]) -> list[Vector | None]:
    """The model's own vector of each text, of length 1; None for a text that is empty. Raises HuntError."""
    wanted = [text for text in texts if text]
    found = iter(embedded(asking, wanted) if wanted else ())
    return [unit(next(found)) if text else None for text in texts]


def embedded(asking: Asking, texts: Sequence[str]) -> list[Vector]:
    """As the server sends them, in the order of the texts."""
    body = {"model": asking.model, "input": texts}
    with open_client(asking.url, asking.api_key, asking.fingerprint, asking.trust) as client:
        try:
            response = client.post(EMBEDDINGS, json=body)
        except httpx.HTTPError as failed:
            raise HuntError(f"no vectors from {client.base_url} ({type(failed).__name__})") from None
    if response.status_code != httpx.codes.OK:
        told = error_of(response.content).get("message") or "nothing else"
        raise HuntError(f"the service answered {response.status_code} to {EMBEDDINGS}: {told}")
    try:
        rows = sorted(response.json()["data"], key=lambda row: row["index"])
        found: list[Vector] = [[float(value) for value in row["embedding"]] for row in rows]
    except (ValueError, KeyError, TypeError):
        found = []
    if len(found) != len(texts):
        raise HuntError(f"the service answered {EMBEDDINGS} in another form than OpenAI's")
    return found
