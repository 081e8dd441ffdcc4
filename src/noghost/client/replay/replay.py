"""Compute an answer again, in a service of our own, and compare it with the one that was kept.

Covered: nothing is claimed unless the receipt of the repeat says the same of weights, release, build, processor,
context, batch and threads as the receipt that was kept. Not covered: a service that stated something else
than it did; and, without a commitment, whether the request is the one that the receipt is of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import httpx

from noghost.client.commitment import Tied, tie
from noghost.client.hunt.launch import own_service
from noghost.client.reach import open_client
from noghost.client.replay.kept import Kept, parse_answer
from noghost.client.replay.terms import Difference, another_day, as_here, differences
from noghost.config import Limits
from noghost.errors import HuntError, ReplayError
from noghost.ledger.entry import Opened
from noghost.ledger.receipt import Receipt
from noghost.weights.digest import digest
from noghost.weights.file import WeightsFile
from noghost.weights.find import DEFAULT_SHA256, find

Verdict = Literal["the same", "not the same", "cannot tell"]
LONGEST_S = 86_400


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be repeated, and how."""

    opened: Opened  # of a receipt that was verified
    request: bytes = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    answer: Kept
    model: str | None = None
    key: bytes | None = field(default=None, repr=False)  # of the commitment
    anyway: bool = False
    waived: tuple[str, ...] = ()  # options of `noghost serve` for what this host cannot do
    content_only: bool = False  # the answer is without reasoning and calls, as a transcript keeps it


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; positions and names, never a word of the answer."""

    verdict: Verdict
    id: str
    seed_from: str
    threads: str
    commitment: Tied
    differences: tuple[Difference, ...]
    at: int | None = None  # character of the first difference
    kept_characters: int | None = None
    repeated_characters: int | None = None


def replay(asked: Asked) -> Result:
    """Check what is to be compared, compute it again, compare. Raises ReplayError or WeightsError where that cannot
    be done, LedgerError where the repeat's own receipt does not hold."""
    opened = asked.opened
    tied = tie_request(asked)
    if asked.answer.instance not in (None, opened.id):
        raise ReplayError("the answer is of another invocation than the receipt", "find the receipt of its instance")
    seed, seed_from = seed_of(asked)
    weights = find(asked.model) if asked.model else default_of(opened.weights)
    ahead = differences(opened, as_here(opened, digest(weights.path))) + another_day(opened, weights.path)
    if tied == "broken" or (ahead and not asked.anyway):
        verdict: Verdict = "not the same" if tied == "broken" else "cannot tell"
        return Result(verdict, opened.id, seed_from, opened.threads, tied, ahead)
    repeated, now = repeat(asked, weights, seed)
    found = differences(opened, now) + another_day(opened, weights.path)
    at = first_difference(asked.answer, repeated.text)
    return Result(
        judge(at, opened, found, anyway=asked.anyway),
        opened.id,
        seed_from,
        opened.threads,
        tied,
        found,
        at if asked.anyway or not found else None,
        len(asked.answer.text),
        len(repeated.text),
    )


def default_of(weights: str) -> WeightsFile:
    """The default model as it was published, where that has this digest, or else as it is."""
    return find(as_published=True) if weights == DEFAULT_SHA256 else find()


def tie_request(asked: Asked) -> Tied:
    """Whether the request is the one that its caller committed to."""
    if asked.key is not None and asked.opened.commitment == "-":
        raise ReplayError("the receipt holds no commitment", "leave out --commitment-key")
    return tie(asked.opened.commitment, asked.key, asked.request)


def seed_of(asked: Asked) -> tuple[int | None, str]:
    """(the seed to send, where it comes from): the receipt, the answer, the request; a greedy answer needs none."""
    if asked.opened.seed != "-":
        return int(asked.opened.seed), "receipt"
    if asked.answer.seed is not None:
        return asked.answer.seed, "answer"
    if isinstance(asked.body.get("seed"), int):
        return asked.body["seed"], "request"
    if asked.body.get("temperature") == 0:
        return None, "none needed"
    raise ReplayError(
        "the seed is nowhere: not in the receipt, the answer or the request",
        "keep the whole answer as it came, or ask with a seed",
    )


def repeat(asked: Asked, weights: WeightsFile, seed: int | None) -> tuple[Kept, Opened]:
    """(the answer as it is computed now, the entry that the ledger has of it)."""
    body = {name: value for name, value in asked.body.items() if name not in ("model", "stream_options")}
    # With a capsule and without it the bytes are the same (docs/capsules.md): a repeat computes all of the prompt.
    own = {name: value for name, value in (body.get("noghost") or {}).items() if name != "capsule"}
    if asked.opened.threads != "free":
        own["threads"] = int(asked.opened.threads)
    body |= {"stream": True, "noghost": own} | ({} if seed is None else {"seed": seed})
    path = "/v1/chat/completions" if "messages" in body else "/v1/completions"
    with service(asked, weights) as client:
        answer = checked(client.post(path, json=body))
        kept = parse_answer(answer.content, content_only=asked.content_only)
        receipt = Receipt.parse(checked(client.get(f"/v1/receipts/{answer.headers['noghost-instance']}")).text)
    return kept, receipt.verify().opened


@contextmanager
def service(asked: Asked, weights: WeightsFile) -> Iterator[httpx.Client]:
    """A service of our own, with the receipt's context and threads, and a ledger that ends with it. A prepared model is
    one only in the folder of such models (weights/prepared.py): elsewhere it would not be repacked."""
    opened = asked.opened
    limits = (f"invocation_s={LONGEST_S}", f"body_bytes={Limits().body_bytes + 2 * len(asked.request)}")
    options = ["--model", str(weights.path), "--context", opened.context, *asked.waived]
    options += [] if opened.threads == "free" else ["--threads", opened.threads]
    options += [word for limit in limits for word in ("--limit", limit)]
    try:
        with TemporaryDirectory(prefix="noghost-replay-") as folder:
            options += ["--ledger", str(Path(folder) / "ledger")]
            with own_service(tuple(options), own_data=not weights.prepared) as url, open_client(url) as client:
                yield client
    except HuntError as error:
        raise ReplayError(error.message, error.hint) from None
    except httpx.HTTPError as error:
        raise ReplayError(f"the repeat broke off ({type(error).__name__})") from None


def checked(response: httpx.Response) -> httpx.Response:
    """The response, if it is an answer; else ReplayError with the API's own words, which hold nothing of a request."""
    if response.status_code != 200:
        try:
            reason = response.json()["error"]["message"]
        except (json.JSONDecodeError, KeyError, TypeError):
            reason = f"status {response.status_code}"
        raise ReplayError(f"the request was refused: {reason}")
    return response


def first_difference(kept: Kept, repeated: str) -> int | None:
    """The character at which the two begin to differ, counted from 0; None where they are the same."""
    text = kept.text
    if kept.plain and text == repeated + "\n":
        return None
    if text == repeated:
        return None
    shorter = min(len(text), len(repeated))
    return next((at for at in range(shorter) if text[at] != repeated[at]), shorter)


def judge(at: int | None, opened: Opened, found: tuple[Difference, ...], *, anyway: bool) -> Verdict:
    """The same bytes on the same terms; with `anyway`, on whatever terms."""
    if found and not anyway:
        return "cannot tell"
    if at is None:
        return "the same"
    return "cannot tell" if opened.threads == "free" else "not the same"
